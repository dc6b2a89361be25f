//! What NVIDIA's management library says of the GPUs: how busy they are, and what memory and power they take. It is
//! loaded at run time; without it nothing is known.

use nvml_wrapper::{Nvml, error::NvmlError};

/// The library, opened.
#[derive(Debug)]
pub struct Watch(Nvml);

/// A GPU at a moment. What it does not tell is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Its number.
    pub index: u32,
    /// What identifies it anywhere.
    pub uuid: String,
    /// The part of the last moments in which it computed, 0 to 1.
    pub utilization: Option<f64>,
    /// Bytes in use, by anybody.
    pub memory_used: Option<u64>,
    /// All bytes.
    pub memory_total: Option<u64>,
    /// Watts.
    pub power: Option<f64>,
}

impl Watch {
    /// Opens the library; `None` where it is not on this machine, or refuses.
    pub fn open() -> Option<Self> {
        Nvml::init().ok().map(Self)
    }

    /// Every GPU now.
    pub fn read(&self) -> Vec<Reading> {
        let count = self.0.device_count().unwrap_or(0);
        (0..count).filter_map(|index| self.one(index).ok()).collect()
    }

    fn one(&self, index: u32) -> Result<Reading, NvmlError> {
        let device = self.0.device_by_index(index)?;
        let memory = device.memory_info().ok();
        Ok(Reading {
            index,
            uuid: device.uuid()?,
            utilization: device.utilization_rates().ok().map(|rates| f64::from(rates.gpu) / 100.0),
            memory_used: memory.as_ref().map(|memory| memory.used),
            memory_total: memory.as_ref().map(|memory| memory.total),
            power: device.power_usage().ok().map(|milliwatts| f64::from(milliwatts) / 1e3),
        })
    }
}

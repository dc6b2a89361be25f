//! Whether a version fits into the memory that is left: asked before it is loaded, so that a model too many is refused
//! with figures instead of taking down what serves.
//!
//! A load that finds too little while others are under way waits for them, since what they will keep is not known yet.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use girandole_core::{Error, ErrorCode, Result};

use crate::repository::FoundVersion;

/// At its peak a load holds the weights twice, as they are read and as they are packed.
const PEAK: u64 = 2;

/// Gives leave to load.
pub(super) struct Admission {
    /// Bytes that can still be had; `None` where the system does not say.
    available: fn() -> Option<u64>,
    /// What the loads under way may still take.
    promised: Mutex<u64>,
    ended: Condvar,
}

/// Leave to load; gives back what it promised.
pub(super) struct Leave<'a> {
    admission: &'a Admission,
    bytes: u64,
}

/// What is to be done about a load.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Admit,
    /// Others may leave enough when they are done.
    Wait,
    Refuse,
}

impl Admission {
    pub(super) fn new(available: fn() -> Option<u64>) -> Self {
        Self { available, promised: Mutex::new(0), ended: Condvar::new() }
    }

    /// Leave to load a version; blocks while loads under way may need what it needs.
    ///
    /// # Errors
    /// `OutOfMemory` with the figures.
    pub(super) fn admit(&self, version: &FoundVersion) -> Result<Leave<'_>> {
        let files = version.bytes();
        let bytes = files.saturating_mul(PEAK);
        let mut promised = lock(&self.promised);
        loop {
            let available = (self.available)();
            match decide(bytes, available, *promised) {
                Verdict::Admit => {
                    *promised += bytes;
                    return Ok(Leave { admission: self, bytes });
                }
                Verdict::Wait => promised = self.ended.wait(promised).unwrap_or_else(PoisonError::into_inner),
                Verdict::Refuse => return Err(too_large(files, bytes, available.unwrap_or(0))),
            }
        }
    }
}

/// `promised` is also part of what was available, as far as it is taken already: so it never refuses by itself.
fn decide(bytes: u64, available: Option<u64>, promised: u64) -> Verdict {
    match available {
        None => Verdict::Admit,
        Some(available) if bytes <= available.saturating_sub(promised) => Verdict::Admit,
        Some(_) if promised > 0 => Verdict::Wait,
        Some(_) => Verdict::Refuse,
    }
}

fn too_large(files: u64, bytes: u64, available: u64) -> Error {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let (files, bytes, available) = (mib(files), mib(bytes), available >> 20);
    let message = format!(
        "loading its {files} MiB of files takes up to {bytes} MiB of memory, and {available} MiB are left; unload \
         another model or give the server more"
    );
    Error::new(ErrorCode::OutOfMemory, message)
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        *lock(&self.admission.promised) -= self.bytes;
        self.admission.ended.notify_all();
    }
}

fn lock(promised: &Mutex<u64>) -> MutexGuard<'_, u64> {
    promised.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread, time::SystemTime};

    use super::*;
    use crate::repository::FileStamp;

    const MIB: u64 = 1 << 20;

    fn version(mib: u64) -> FoundVersion {
        let (modified, touched) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH);
        let file = FileStamp { len: mib * MIB, modified, touched };
        FoundVersion { files: [("model.onnx".to_owned(), file)].into(), sealed: false, settling: false }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_figures() {
        let admission = Admission::new(|| Some(100 * MIB));
        let refused = admission.admit(&version(51)).err().unwrap();
        assert_eq!(refused.code(), ErrorCode::OutOfMemory);
        assert!(refused.message().contains("51 MiB of files takes up to 102 MiB"), "{refused}");
        assert!(refused.message().contains("100 MiB are left"), "{refused}");
        assert!(admission.admit(&version(50)).is_ok());
    }

    #[test]
    fn without_figures_everything_is_admitted() {
        assert!(Admission::new(|| None).admit(&version(1 << 30)).is_ok());
    }

    #[test]
    fn a_load_waits_for_those_under_way_rather_than_failing() {
        let admission = Admission::new(|| Some(100 * MIB));
        let first = admission.admit(&version(40)).unwrap();
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| sender.send(admission.admit(&version(30)).is_ok()).unwrap());
            assert!(receiver.try_recv().is_err());
            drop(first);
            assert_eq!(receiver.recv(), Ok(true));
        });
        assert_eq!(*lock(&admission.promised), 0);
    }

    #[test]
    fn others_are_waited_for_only_where_there_are_some() {
        for (bytes, available, promised, verdict) in [
            (10, Some(10), 0, Verdict::Admit),
            (11, Some(10), 0, Verdict::Refuse),
            (11, Some(10), 1, Verdict::Wait),
            (5, Some(10), 5, Verdict::Admit),
            (6, Some(10), 5, Verdict::Wait),
            (u64::MAX, None, 5, Verdict::Admit),
        ] {
            assert_eq!(decide(bytes, available, promised), verdict, "{bytes} {available:?} {promised}");
        }
    }
}

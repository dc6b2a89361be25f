//! Which algorithm multiplies a shape: the library names some that it expects to be fast, and the fastest on the
//! operands at hand is taken. While a graph is captured nothing can be tried, and its first guess counts.

use std::ffi::c_void;

use cudarc::{
    cublaslt::{
        result as lt,
        sys::{self, cublasLtMatmulPreferenceAttributes_t as Prefers},
    },
    driver::{
        result,
        sys::{CUevent, CUevent_flags, CUstreamCaptureStatus},
    },
};

use super::{Key, On, Plan, WORKSPACE};
use crate::{Fault, Matmul, Result};

type Algorithm = sys::cublasLtMatmulAlgo_t;

/// How many are tried.
const CANDIDATES: usize = 8;
/// How often each runs while it is timed.
const RUNS: usize = 4;
/// Less than this many multiplications take no longer than a launch, and cannot be timed so.
const LEAST: usize = 1 << 32;
/// What another must gain on the library's first guess: less is noise.
const GAIN: f32 = 0.97;

/// The algorithm for a plan's product. Its operands are those of the run at hand; the result is written.
pub(super) fn fastest(on: &On<'_>, plan: &Plan, matmul: &Matmul) -> Result<Algorithm> {
    let candidates = candidates(on, plan, &Key::of(matmul))?;
    let first = *candidates.first().ok_or_else(|| Fault::Failed("no algorithm multiplies this".into()))?;
    // SAFETY: the stream is the caller's own.
    let status = unsafe { result::stream::is_capturing(on.stream) }?;
    let work = [matmul.m, matmul.n, matmul.k, matmul.batch].into_iter().fold(1, usize::saturating_mul);
    if candidates.len() == 1 || work < LEAST || status != CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE
    {
        return Ok(first);
    }
    let clock = Clock::new()?;
    let mut best = (first, clock.time(on, plan, matmul, &first)? * GAIN);
    for candidate in candidates.into_iter().skip(1) {
        // One that refuses these operands is none.
        if let Ok(ms) = clock.time(on, plan, matmul, &candidate)
            && ms < best.1
        {
            best = (candidate, ms);
        }
    }
    Ok(best.0)
}

/// What the library expects to be fast, the fastest first.
fn candidates(on: &On<'_>, plan: &Plan, key: &Key) -> Result<Vec<Algorithm>> {
    let [b, a, out] = plan.layouts;
    let preference = lt::create_matmul_pref()?;
    let set = |attribute, value: *const c_void, bytes| {
        // SAFETY: the attribute takes that many bytes.
        unsafe { lt::set_matmul_pref_attribute(preference, attribute, value, bytes) }
    };
    set(
        Prefers::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
        std::ptr::from_ref(&WORKSPACE).cast(),
        size_of::<usize>(),
    )?;
    let [of_a, of_b, of_c, of_d] = key.alignments;
    for (attribute, bytes) in [
        (Prefers::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, of_b),
        (Prefers::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, of_a),
        (Prefers::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, of_c),
        (Prefers::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, of_d),
    ] {
        set(attribute, std::ptr::from_ref(&bytes).cast(), size_of::<u32>())?;
    }
    // SAFETY: zeros are valid bytes of the results, of which the library writes as many as it says; the handles
    // are valid, and the preference is destroyed right after.
    unsafe {
        let mut found: [sys::cublasLtMatmulHeuristicResult_t; CANDIDATES] = std::mem::zeroed();
        let mut count = 0;
        let asked = sys::cublasLtMatmulAlgoGetHeuristic(
            on.handle.0,
            plan.operation,
            b,
            a,
            out,
            out,
            preference,
            CANDIDATES as i32,
            found.as_mut_ptr(),
            &raw mut count,
        );
        lt::destroy_matmul_pref(preference)?;
        asked.result()?;
        let count = usize::try_from(count).unwrap_or(0);
        Ok(found.iter().take(count).filter(|one| one.state.result().is_ok()).map(|one| one.algo).collect())
    }
}

/// Two events to take time between.
struct Clock {
    begin: CUevent,
    end: CUevent,
}

impl Clock {
    fn new() -> Result<Self> {
        let event = || result::event::create(CUevent_flags::CU_EVENT_DEFAULT);
        Ok(Self { begin: event()?, end: event()? })
    }

    /// Milliseconds of some runs after a first one.
    fn time(&self, on: &On<'_>, plan: &Plan, matmul: &Matmul, algorithm: &Algorithm) -> Result<f32> {
        plan.launch(on, matmul, algorithm)?;
        // SAFETY: the events are this value's own, the stream the caller's.
        unsafe { result::event::record(self.begin, on.stream) }?;
        for _ in 0..RUNS {
            plan.launch(on, matmul, algorithm)?;
        }
        // SAFETY: as above; both events are recorded and waited for before they are read.
        unsafe {
            result::event::record(self.end, on.stream)?;
            result::event::synchronize(self.end)?;
            Ok(result::event::elapsed(self.begin, self.end)?)
        }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        // SAFETY: the events are this value's own.
        unsafe {
            let _ = result::event::destroy(self.begin);
            let _ = result::event::destroy(self.end);
        }
    }
}

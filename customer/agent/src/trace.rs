//! Which trace a call about a job belongs to, as W3C's `traceparent` says it: the control plane's log lines and spans name it.

use sha2::{Digest, Sha256};
use wire::JobId;

/// The `traceparent` of a call about a job. Its trace is made of the job's id, so that all calls about it are of one trace,
/// whichever agent makes them, and also after a restart.
pub(crate) fn traceparent(job: &JobId) -> String {
    let digest: [u8; 32] = Sha256::digest(job.as_str()).into();
    let trace_id = digest.first_chunk().copied().map(u128::from_be_bytes);
    let trace_id = trace_id.unwrap_or_default();
    // Without a source of randomness calls cannot be told apart in the trace, and are in it all the same.
    let span_id = getrandom::u64().unwrap_or_default().max(1);
    format!("00-{trace_id:032x}-{span_id:016x}-01")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn calls_about_one_job_are_of_one_trace() {
        let job = |text| JobId::parse(text).unwrap();
        let one = job("job-01JAB3Z5K8Q4V6W7X9Y0ZABCDE");
        let (first, second) = (traceparent(&one), traceparent(&one));
        assert_eq!(first.len(), 55);
        // `printf %s job-01JAB3Z5K8Q4V6W7X9Y0ZABCDE | sha256sum | cut -c1-32`
        assert_eq!(&first[..36], "00-38d654bcdf31fbb3165c6dad41b249eb-");
        assert_eq!(first[..36], second[..36]);
        assert_ne!(first, second);
        let other = traceparent(&job("job-01JAB3Z5K8Q4V6W7X9Y0ZABCDF"));
        assert_ne!(first[..36], other[..36]);
    }
}

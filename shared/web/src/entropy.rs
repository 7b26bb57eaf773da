//! Where ids, secrets and write ids come from.

use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of random bytes: the operating system's, or a reproducible one for tests.
#[derive(Debug, Clone)]
pub struct Entropy(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Seeded { seed: u64, drawn: Arc<AtomicU64> },
}

impl Entropy {
    /// The operating system's.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// The same bytes in the same order for the same seed, for tests. Clones draw from the same sequence.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded {
            seed,
            drawn: Arc::new(AtomicU64::new(0)),
        })
    }

    /// Random bytes.
    ///
    /// # Panics
    /// If the operating system has none to give: without them no id and no secret would be safe, so the request ends
    /// with 500.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &self.0 {
            Source::System => {
                assert!(
                    getrandom::fill(&mut bytes).is_ok(),
                    "the operating system gives no random bytes"
                );
            }
            Source::Seeded { seed, drawn } => {
                for chunk in bytes.chunks_mut(32) {
                    let count = drawn.fetch_add(1, Ordering::SeqCst);
                    let block = Sha256::new()
                        .chain_update(seed.to_be_bytes())
                        .chain_update(count.to_be_bytes())
                        .finalize();
                    chunk.copy_from_slice(&block[..chunk.len()]);
                }
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_bytes_again_and_never_the_same_twice() {
        let (one, two) = (Entropy::seeded(7), Entropy::seeded(7));
        let first: [u8; 40] = one.bytes();
        assert_eq!(first, two.bytes::<40>());
        assert_ne!(first, one.bytes::<40>());
        assert_ne!(Entropy::seeded(8).bytes::<40>(), first);
    }

    #[test]
    fn the_system_gives_other_bytes_each_time() {
        let entropy = Entropy::system();
        assert_ne!(entropy.bytes::<16>(), entropy.bytes::<16>());
    }
}

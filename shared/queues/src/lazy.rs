//! Clients that are made when they are first needed: making one costs milliseconds that most starts need not spend.

use std::fmt;
use std::sync::{Arc, OnceLock};

/// A value that is made at its first use. Clones share it.
pub(crate) struct Lazy<T>(Arc<Inner<T>>);

struct Inner<T> {
    value: OnceLock<T>,
    make: Box<dyn Fn() -> T + Send + Sync>,
}

impl<T> Lazy<T> {
    /// One that is to be made.
    pub(crate) fn new(make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            value: OnceLock::new(),
            make: Box::new(make),
        }))
    }

    /// The value. Whoever comes while another makes it waits for that one.
    pub(crate) fn get(&self) -> &T {
        self.0.value.get_or_init(|| (self.0.make)())
    }
}

impl<T: Clone + Send + Sync + 'static> Lazy<T> {
    /// One that is there.
    pub(crate) fn ready(value: T) -> Self {
        Self::new(move || value.clone())
    }
}

impl<T> Clone for Lazy<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Lazy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lazy")
    }
}

//! Which of the two worlds a control plane belongs to.

use std::fmt;

/// Which credentials are taken, and what metrics are told apart by. Credentials of the other environment are refused before
/// they are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Production.
    Live,
    /// Everything else.
    Test,
}

impl Environment {
    /// The environment by its name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "live" => Some(Self::Live),
            "test" => Some(Self::Test),
            _ => None,
        }
    }

    /// The name, as it stands in tokens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_live_or_test() {
        assert_eq!(Environment::parse("live"), Some(Environment::Live));
        assert_eq!(Environment::parse("Live"), None);
        assert_eq!(Environment::parse("production"), None);
        for environment in [Environment::Live, Environment::Test] {
            assert_eq!(Environment::parse(environment.as_str()), Some(environment));
        }
    }
}

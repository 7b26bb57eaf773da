//! The people of the fake provider.

/// Somebody who can sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Person {
    /// How they are picked, and their name at GitHub.
    pub(super) login: &'static str,
    /// Their name as people write it.
    pub(super) name: &'static str,
    /// Who they are at GitHub.
    pub(super) github_id: u64,
    /// Who they are at Google.
    pub(super) google_subject: &'static str,
}

impl Person {
    /// An address that reaches nobody.
    pub(super) fn email(&self) -> String {
        format!("{}@example.com", self.login)
    }

    /// Whoever has that login.
    pub(super) fn find(login: &str) -> Option<Self> {
        PEOPLE.into_iter().find(|person| person.login == login)
    }
}

/// Everybody there is.
pub(super) const PEOPLE: [Person; 3] = [
    Person {
        login: "ada",
        name: "Ada Lovelace",
        github_id: 1815,
        google_subject: "100000000000000001815",
    },
    Person {
        login: "grace",
        name: "Grace Hopper",
        github_id: 1906,
        google_subject: "100000000000000001906",
    },
    Person {
        login: "alan",
        name: "Alan Turing",
        github_id: 1912,
        google_subject: "100000000000000001912",
    },
];

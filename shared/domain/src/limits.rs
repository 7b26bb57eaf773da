//! What one tenant may use, so that its flood does not become the others' wait.

use wire::Timestamp;

/// The length of the window in which requests are counted, in seconds.
pub const WINDOW_SECONDS: i64 = 10;

/// After how many requests of a tenant a process tells the others of them. Below that it keeps its count to itself, so that
/// a tenant with few requests costs nothing.
pub const SHARE_REQUESTS_EVERY: u64 = 50;

/// The same of sign-ins from one address.
pub const SHARE_SIGN_INS_EVERY: u64 = 5;

/// How much of everything one tenant may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests of people and API tokens in 10 seconds.
    pub people_requests: u64,
    /// Requests of agents in 10 seconds.
    pub agent_requests: u64,
    /// Jobs that wait.
    pub queued_jobs: u64,
    /// Agents that have not deregistered.
    pub agents: u64,
    /// API tokens of one person.
    pub tokens_of_person: u32,
    /// API tokens of the tenant.
    pub tokens: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            people_requests: 1_000,
            agent_requests: 10_000,
            queued_jobs: 100_000,
            agents: 1_000,
            tokens_of_person: 100,
            tokens: 1_000,
        }
    }
}

impl Limits {
    /// For a plane with one tenant on its owner's own machine: nobody has to be protected from anybody.
    pub const fn of_a_laptop() -> Self {
        Self {
            people_requests: u64::MAX,
            agent_requests: u64::MAX,
            queued_jobs: u64::MAX,
            agents: u64::MAX,
            tokens_of_person: 100,
            tokens: 1_000,
        }
    }

    /// How many requests callers of that kind may make in one window.
    pub const fn requests(&self, class: RequestClass) -> u64 {
        match class {
            RequestClass::People => self.people_requests,
            RequestClass::Agents => self.agent_requests,
        }
    }
}

/// Who makes requests. The two are counted apart, so that a script cannot keep a tenant's own agents from working.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestClass {
    /// People and API tokens.
    People,
    /// Agents, and whoever registers as one.
    Agents,
}

impl RequestClass {
    /// The class in a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Agents => "agents",
        }
    }
}

/// Whether a request may be served, and what its answer says about the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Whether it may.
    pub admitted: bool,
    /// How many requests a window allows.
    pub limit: u64,
    /// How many of them are left.
    pub remaining: u64,
    /// When the next window begins, in seconds from now, rounded up.
    pub reset_seconds: u32,
}

/// The requests of one tenant and class, or of one address, in the present window, as far as this process knows.
///
/// All processes together admit at most `limit + every * processes - 1` in a window, if each tells the others whenever it
/// [can](Self::take_unshared) before it admits another: whoever tells them learns of all that they have told, so that none
/// goes on beyond the limit after that, and none keeps `every` to itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestWindow {
    number: i64,
    counted: u64,
    unshared: u64,
}

impl RequestWindow {
    /// The number of the window that the moment is in.
    pub fn number_at(now: Timestamp) -> i64 {
        now.as_millis().div_euclid(WINDOW_SECONDS * 1000)
    }

    /// Counts a request.
    pub fn count(&mut self, limit: u64, now: Timestamp) -> Admission {
        let number = Self::number_at(now);
        if self.number != number {
            *self = Self {
                number,
                ..Self::default()
            };
        }
        let admitted = self.counted < limit;
        if admitted {
            self.counted += 1;
            self.unshared += 1;
        }
        let left_ms = (number + 1) * WINDOW_SECONDS * 1000 - now.as_millis();
        Admission {
            admitted,
            limit,
            remaining: limit.saturating_sub(self.counted),
            reset_seconds: u32::try_from((left_ms + 999) / 1000).unwrap_or(1).max(1),
        }
    }

    /// How many requests the other processes have to be told of, once there are `every` of them. Whoever asks tells them.
    pub fn take_unshared(&mut self, every: u64) -> Option<u64> {
        (self.unshared >= every).then(|| std::mem::take(&mut self.unshared))
    }

    /// Takes note of how many requests all processes together have told each other of in that window.
    pub fn learn(&mut self, number: i64, total: u64) {
        if self.number == number {
            self.counted = self.counted.max(total.saturating_add(self.unshared));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn a_window_admits_as_many_as_the_limit_and_the_next_begins_anew() {
        let mut window = RequestWindow::default();
        for left in (0..3).rev() {
            let admission = window.count(3, NOW);
            assert!(admission.admitted);
            assert_eq!(admission.remaining, left);
        }
        let refused = window.count(3, NOW.plus_millis(2_500));
        assert_eq!(
            refused,
            Admission {
                admitted: false,
                limit: 3,
                remaining: 0,
                reset_seconds: 8
            }
        );
        assert!(window.count(3, NOW.plus_seconds(10)).admitted);
    }

    #[test]
    fn what_other_processes_served_counts_and_few_requests_are_kept_to_oneself() {
        let mut window = RequestWindow::default();
        let number = RequestWindow::number_at(NOW);
        for _ in 0..49 {
            window.count(1_000, NOW);
        }
        assert_eq!(window.take_unshared(50), None);
        window.count(1_000, NOW);
        assert_eq!(window.take_unshared(50), Some(50));
        assert_eq!(window.take_unshared(50), None);
        window.count(1_000, NOW);
        window.learn(number, 900);
        assert_eq!(window.count(1_000, NOW).remaining, 1_000 - 902);
        window.learn(number - 1, 5_000);
        window.learn(number, 10);
        assert_eq!(window.count(1_000, NOW).remaining, 1_000 - 903);
    }

    /// Processes that serve one tenant, and what they have told each other.
    struct Fleet {
        windows: Vec<RequestWindow>,
        shared: u64,
        admitted: u64,
    }

    impl Fleet {
        fn new(processes: usize) -> Self {
            Self {
                windows: vec![RequestWindow::default(); processes],
                shared: 0,
                admitted: 0,
            }
        }

        /// One request to one of them: whether it was admitted.
        fn serve(&mut self, process: usize, limit: u64, every: u64) -> bool {
            let window = &mut self.windows[process];
            let admitted = window.count(limit, NOW).admitted;
            self.admitted += u64::from(admitted);
            if let Some(served) = window.take_unshared(every) {
                self.shared += served;
                window.learn(RequestWindow::number_at(NOW), self.shared);
            }
            admitted
        }
    }

    #[test]
    fn together_processes_exceed_a_limit_by_no_more_than_they_keep_to_themselves() {
        for (limit, every) in [(1_000, 50), (20, 5), (7, 5), (3, 50)] {
            for processes in [1, 2, 8, 100] {
                let bound = limit + every * processes as u64 - 1;
                // At the worst, each comes as near to telling as it can before any of them is told.
                let mut worst = Fleet::new(processes);
                for process in 0..processes {
                    for _ in 1..every {
                        worst.serve(process, limit, every);
                    }
                }
                // In turns, and by chance (xorshift).
                let (mut turns, mut chance) = (Fleet::new(processes), Fleet::new(processes));
                let mut random = 0x9E37_79B9_7F4A_7C15_u64;
                let requests = 3 * (limit + every * processes as u64);
                for number in 0..requests {
                    let process = usize::try_from(number).unwrap_or(0) % processes;
                    turns.serve(process, limit, every);
                    worst.serve(process, limit, every);
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let process = usize::try_from(random >> 32).unwrap_or(0) % processes;
                    chance.serve(process, limit, every);
                }
                for fleet in [worst, turns, chance] {
                    let (low, high) = (limit.min(bound), bound);
                    let admitted = fleet.admitted;
                    assert!(
                        (low..=high).contains(&admitted),
                        "{admitted} of {limit}, {processes} processes that share every {every}"
                    );
                }
            }
        }
    }
}

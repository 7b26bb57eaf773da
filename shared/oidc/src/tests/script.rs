//! DNS as a test wants it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

/// Answers of DNS in order, the last one over and over; and where a connection to a judged address really leads.
#[derive(Clone)]
pub(crate) struct Script(Arc<Inner>);

struct Inner {
    answers: Vec<Vec<IpAddr>>,
    server: SocketAddr,
    seen: Mutex<Seen>,
}

/// What was asked and done.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) resolved: Vec<String>,
    pub(crate) dialled: Vec<SocketAddr>,
}

impl Script {
    pub(crate) fn new(server: SocketAddr, answers: &[&[&str]]) -> Self {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        Self(Arc::new(Inner {
            answers: answers.iter().map(parse).collect(),
            server,
            seen: Mutex::default(),
        }))
    }

    pub(crate) fn answer(&self, host: &str) -> Vec<SocketAddr> {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.resolved.push(host.to_owned());
        let turn = seen.resolved.len().min(self.0.answers.len()) - 1;
        let addresses = self.0.answers[turn].iter();
        addresses.map(|ip| SocketAddr::new(*ip, 443)).collect()
    }

    pub(crate) fn dialled(&self, judged: SocketAddr) -> SocketAddr {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.dialled.push(judged);
        self.0.server
    }

    pub(crate) fn seen(&self) -> Seen {
        let seen = self.0.seen.lock();
        seen.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

//! Every role and every token of every role, on every route; and what other sites make a browser send.

use super::client::{Client, Sent};
use super::{Report, Route, Walker};
use crate::Scope;
use crate::access::{Access, Need};
use crate::role::{allows, both, scopes};
use store::StoreError;
use wire::Role;

impl Access {
    /// The scope that a session needs, if it needs one.
    fn scope_of_session(self) -> Option<Scope> {
        match self.session {
            Some(Need::Nothing) => None,
            Some(Need::Scope(needed)) => Some(needed),
            None => self.people,
        }
    }

    /// Whether a person of that role is let in with a session.
    pub(super) fn lets_in_role(self, role: Role) -> bool {
        let by_scope = |needed| allows(scopes(role), needed);
        self.session == Some(Need::Nothing) || self.scope_of_session().is_some_and(by_scope)
    }

    /// Whether a token with these scopes is let in.
    pub(super) fn lets_in_token(self, has: &[Scope]) -> bool {
        self.token || self.people.is_some_and(|needed| allows(has, needed))
    }
}

/// What somebody met, and what they should have.
struct Met<'a> {
    who: &'a str,
    allowed: bool,
    /// What the refusal names.
    missing: Option<Scope>,
}

impl Walker {
    /// People are let in by role, with a bearer's session as with a browser's, and their tokens by both scope and role.
    pub(super) async fn as_people(
        &self,
        client: &Client,
        route: &Route<'_>,
        report: &mut Report<'_>,
    ) -> Result<(), StoreError> {
        let api = &self.api;
        for member in &self.here.members {
            let role = member.role;
            for how in ["session", "session cookie"] {
                // One of its own each time: some routes end it.
                let session = member.person.session(api, api.now()).await?;
                let sent = match how {
                    "session" => Sent::bearer(&session.bearer()),
                    _ => Sent::cookie(session.expose(), api.origin.as_str()),
                };
                let met = Met {
                    who: &format!("{role} with a {how}"),
                    allowed: route.access.lets_in_role(role),
                    missing: route.access.scope_of_session(),
                };
                self.meets(client, route, report, (&sent, met)).await;
            }
            for (scope, header) in &member.tokens {
                let has = both(vec![*scope], role);
                let met = Met {
                    who: &format!("{role} with a token for {scope}"),
                    allowed: route.access.lets_in_token(&has),
                    missing: route.access.people,
                };
                let sent = Sent::bearer(header);
                self.meets(client, route, report, (&sent, met)).await;
            }
        }
        Ok(())
    }

    async fn meets(
        &self,
        client: &Client,
        route: &Route<'_>,
        report: &mut Report<'_>,
        (sent, met): (&Sent, Met<'_>),
    ) {
        let Met {
            who,
            allowed,
            missing,
        } = met;
        let before = self.written();
        let answer = client.send(&route.target, route.target.unknown, sent).await;
        if allowed {
            report.expect(answer.let_in(), || {
                format!("does not let {who} in: {} {}", answer.status, answer.text)
            });
            report.server_error(&answer);
        } else {
            let named = missing.is_none_or(|scope| answer.text.contains(scope.as_str()));
            report.expect(answer.status == 403 && named, || {
                format!("meets {who} with {}, not 403", answer.status)
            });
            report.expect(self.written() <= before, || {
                format!("{who} was refused and has changed something")
            });
        }
    }

    /// What a page of another site makes a browser send is refused, whatever cookie goes with it.
    pub(super) async fn as_other_sites_send_it(
        &self,
        client: &Client,
        route: &Route<'_>,
        report: &mut Report<'_>,
    ) -> Result<(), StoreError> {
        let target = &route.target;
        if matches!(target.method, "GET" | "HEAD" | "OPTIONS") {
            return Ok(());
        }
        let api = &self.api;
        let Some(owner) = self.here.members.iter().find(|it| it.role == Role::Owner) else {
            return Ok(());
        };
        let session = owner.person.session(api, api.now()).await?;
        let own = Sent::cookie(session.expose(), api.origin.as_str());
        let from = |origin: &str| Sent {
            origin: Some(origin.to_owned()),
            ..own.clone()
        };
        let form = |content_type| Sent {
            mark: None,
            content_type: Some(content_type),
            ..own.clone()
        };
        let before = self.written();
        for (what, sent) in [
            (
                "no origin",
                Sent {
                    origin: None,
                    ..own.clone()
                },
            ),
            ("the origin `null`", from("null")),
            ("another origin", from("https://evil.example")),
            (
                "an origin that begins as ours",
                from(&format!("{}.evil.example", api.origin.as_str())),
            ),
            (
                "our origin without TLS",
                from(&api.origin.as_str().replace("https:", "http:")),
            ),
            ("a form", form("application/x-www-form-urlencoded")),
            ("plain text", form("text/plain; application/json")),
            (
                "another mark",
                Sent {
                    mark: Some("0"),
                    ..form("text/plain")
                },
            ),
        ] {
            let answer = client.send(target, target.existing, &sent).await;
            let refused = answer.status == 403 && answer.text.contains("\"cross_site\"");
            report.expect(refused, || {
                format!("takes a session cookie with {what}: {}", answer.status)
            });
        }
        report.expect(self.written() <= before, || {
            "another site has changed something".to_owned()
        });
        Ok(())
    }
}

//! A walk over every route with every kind of credential, for tests: what a route declares is what it does.
//!
//! [`Walker::walk`] reads from the OpenAPI document which operations there are and who may call them, calls each of
//! them with credentials that are missing, junk, forged, expired, revoked, of the other environment, of another kind,
//! with every role, every scope, every scope of every role, from another site, and of another tenant, and returns everything
//! that was not as it should be.

mod client;
mod credentials;
mod page;
mod people;
mod relays;
mod roles;
mod samples;

pub use page::{roles_table, routes_table};
pub use people::Person;
pub use samples::Samples;

use crate::access::{Access, Need};
use crate::openapi::{PUBLIC, access_of, operations};
use crate::{Api, Scope};
use client::{Answer, Client, Sent, Target};
use credentials::{Refused, Tenant};
use std::fmt;
use store::{StoreError, TenantScope};
use utoipa::openapi::OpenApi;
use wire::Role;

/// Something that a route does and should not, or the other way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The route, as `GET /api/queue/jobs/{id}`.
    pub route: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.route, self.what)
    }
}

/// The credentials of a walk: of the tenant that has the samples, and of another.
#[derive(Debug)]
pub struct Walker {
    api: Api,
    here: Tenant,
    elsewhere: Tenant,
    refused: Vec<Refused>,
}

/// What is written without a change: that a credential was used, that a signed request was, and that somebody is about to change something, which is
/// taken back when it does not come to that.
const OF_NO_CHANGE: [&str; 4] = ["note_use", "put_intent", "drop_intent", "use_up"];

/// An operation with who may call it.
struct Route<'a> {
    target: Target<'a>,
    access: Access,
    names_a_thing: bool,
}

impl Walker {
    /// Creates the credentials. The samples of the walk belong to the tenant `here`.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn new(
        api: &Api,
        here: &TenantScope,
        elsewhere: &TenantScope,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            api: api.clone(),
            here: Tenant::create(api, here).await?,
            elsewhere: Tenant::create(api, elsewhere).await?,
            // What it keeps meanwhile is large.
            refused: Box::pin(credentials::refused(api, here)).await?,
        })
    }

    /// Walks over every operation of the document. `app` is what serves it, with [`web::app`] around it.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn walk(
        &self,
        app: &axum::Router,
        document: &OpenApi,
        samples: &Samples,
    ) -> Result<Vec<Violation>, StoreError> {
        let client = Client::new(app.clone());
        let mut found = Vec::new();
        let mut document = document.clone();
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in operations(item) {
                let mut report = Report {
                    route: format!("{method} {path}"),
                    found: &mut found,
                };
                let body = operation.request_body.as_ref();
                let body = body.map(|_| samples.body_of(method, path));
                let thing = samples.thing_for(path);
                if path.contains('{') && thing.is_none() {
                    report.add("there is no sample of the thing that its path names");
                    continue;
                }
                let target = Target {
                    method,
                    path,
                    existing: thing.map_or("", |(existing, _)| existing),
                    unknown: thing.map_or("", |(_, unknown)| unknown),
                    body,
                };
                let Some(declared) = access_of(operation) else {
                    report.add("does not declare who may call it");
                    continue;
                };
                if declared == PUBLIC {
                    public(&client, &target, &mut report).await;
                    continue;
                }
                let Some(access) = Access::from_extension(&declared) else {
                    report.add("declares an access that is none");
                    continue;
                };
                let for_sessions = access
                    .people
                    .filter(|needed| needed.is_for_sessions_alone());
                report.expect(for_sessions.is_none(), || {
                    "lets tokens in with a scope that no token has".to_owned()
                });
                let route = Route {
                    target,
                    access,
                    names_a_thing: thing.is_some(),
                };
                self.without_credential(&client, &route, &mut report).await;
                self.with_others(&client, &route, &mut report).await?;
                self.as_relays(&client, &route, &mut report).await?;
                self.as_people(&client, &route, &mut report).await?;
                self.as_other_sites_send_it(&client, &route, &mut report)
                    .await?;
                self.as_others_see_it(&client, &route, &mut report).await?;
                self.with_the_right_one(&client, &route, &mut report)
                    .await?;
            }
        }
        Ok(found)
    }

    /// Whatever is wrong with a credential, the answer is the same 401.
    async fn without_credential(
        &self,
        client: &Client,
        route: &Route<'_>,
        report: &mut Report<'_>,
    ) {
        let before = self.written();
        let none = client
            .call(&route.target, route.target.existing, None)
            .await;
        report.expect(none.status == 401, || {
            format!("without a credential: {}", none.status)
        });
        report.expect(none.headers.contains_key("www-authenticate"), || {
            "401 without WWW-Authenticate".to_owned()
        });
        let may_register = route.access.agent_key.is_some();
        let refused = self.refused.iter();
        for refused in refused.filter(|refused| !(refused.registers && may_register)) {
            let target = &route.target;
            let answer = client.send(target, target.existing, &refused.sent).await;
            report.expect(answer.same_as(&none), || {
                format!(
                    "with a credential that is {}: {}, otherwise than without one",
                    refused.what, answer.status
                )
            });
        }
        if route.target.method == "GET" {
            let head = Target {
                method: "HEAD",
                body: None,
                ..route.target.clone()
            };
            let answer = client.call(&head, head.existing, None).await;
            report.expect(answer.status == 401, || {
                format!("HEAD without a credential: {}", answer.status)
            });
        }
        report.expect(self.written() <= before, || {
            "something was written without a credential".to_owned()
        });
    }

    /// Good credentials of other kinds and with other scopes get 403, which names the scope that is missing.
    async fn with_others(
        &self,
        client: &Client,
        route: &Route<'_>,
        report: &mut Report<'_>,
    ) -> Result<(), StoreError> {
        let session = self.here.session().await?;
        let access = route.access;
        for (scope, header) in &self.here.tokens {
            if access.lets_in_token(&[*scope]) {
                continue;
            }
            let answer = client
                .call(&route.target, route.target.existing, Some(header))
                .await;
            let named = access
                .people
                .is_none_or(|needed| answer.text.contains(needed.as_str()));
            report.expect(answer.status == 403 && named, || {
                format!("with a token for {scope} only: {}", answer.status)
            });
        }
        let kinds = [
            ("an agent session", access.agent.is_some(), &session.header),
            ("an agent key", access.agent_key.is_some(), &self.here.key),
        ];
        for (what, allowed, header) in kinds {
            if allowed {
                continue;
            }
            let answer = client
                .call(&route.target, route.target.existing, Some(header))
                .await;
            report.expect(answer.status == 403, || {
                format!("with {what}: {}", answer.status)
            });
        }
        Ok(())
    }

    /// Relays, and tokens that their keys are brought with, are let in where they belong and nowhere else. Where no relay is let
    /// in, nobody looks at signatures: what they send is as without a credential.
    async fn as_relays(
        &self,
        client: &Client,
        route: &Route<'_>,
        report: &mut Report<'_>,
    ) -> Result<(), StoreError> {
        let (target, access) = (&route.target, route.access);
        let refusal = match (access.relay, access.relay_enrolment) {
            (None, None) => 401,
            _ => 403,
        };
        let own = match access.relay {
            Some(relay) if relay.own => self.here.relay.relay_id.as_str(),
            _ => target.existing,
        };
        let token = Sent::bearer(&self.here.relay.token().await?.bearer());
        // The token last: bringing a key takes the present one away from the relay.
        for (what, allowed, sent) in [
            ("a relay", access.relay.is_some(), self.here.relay.signed()),
            (
                "an enrolment token of a relay",
                access.relay_enrolment.is_some(),
                token,
            ),
        ] {
            let answer = client.send(target, own, &sent).await;
            if allowed {
                report.expect(answer.let_in(), || {
                    format!("does not let {what} in: {} {}", answer.status, answer.text)
                });
                report.server_error(&answer);
            } else {
                report.expect(answer.status == refusal, || {
                    format!("with {what}: {}, not {refusal}", answer.status)
                });
            }
            let again = client.send(target, own, &sent).await;
            report.expect(sent.signer.is_none() || again.status == 401, || {
                format!("takes the same signed request twice: {}", again.status)
            });
        }
        Ok(())
    }

    /// To another tenant, a thing that exists is as one that does not, and stays as it is.
    async fn as_others_see_it(
        &self,
        client: &Client,
        route: &Route<'_>,
        report: &mut Report<'_>,
    ) -> Result<(), StoreError> {
        if !route.names_a_thing {
            return Ok(());
        }
        // Sessions of their own for each route: some end them.
        let foreign = self.elsewhere.session().await?;
        let colleague = self.here.session().await?;
        let owner = self.elsewhere.session_of(Role::Owner).await?;
        let member = self.here.session_of(Role::Developer).await?;
        let mut callers = Vec::new();
        if route.access.relay.is_some_and(|relay| relay.own) {
            for (who, relay) in [
                ("another tenant's relay", &self.elsewhere.relay),
                ("another relay of the tenant", &self.here.relay),
            ] {
                self.compare(client, route, (who, &|| relay.signed()), report)
                    .await;
            }
        }
        if route.access.lets_in_token(&[Scope::Admin]) {
            callers.push(("another tenant's token", &self.elsewhere.admin));
        }
        if route.access.lets_in_role(Role::Owner) {
            callers.push(("another tenant's owner", &owner));
        }
        if route.access.session == Some(Need::Nothing) {
            callers.push(("another member of the tenant", &member));
        }
        if route.access.agent.is_some() {
            callers.push(("another tenant's agent", &foreign.header));
        }
        if route.access.agent.is_some_and(|agent| agent.own) {
            callers.push(("another agent of the tenant", &colleague.header));
        }
        for (who, header) in callers {
            self.compare(client, route, (who, &|| Sent::bearer(header)), report)
                .await;
        }
        Ok(())
    }

    /// What somebody is answered about a thing that is not theirs is what they are answered about one that does not exist.
    async fn compare(
        &self,
        client: &Client,
        route: &Route<'_>,
        (who, sent): (&str, &(dyn Fn() -> Sent + Sync)),
        report: &mut Report<'_>,
    ) {
        let target = &route.target;
        let before = self.written();
        let unknown = client.send(target, target.unknown, &sent()).await;
        let existing = client.send(target, target.existing, &sent()).await;
        report.expect(self.written() <= before, || {
            format!("{who} has changed something")
        });
        report.expect(
            existing
                .without(target.existing)
                .same_as(&unknown.without(target.unknown)),
            || {
                format!(
                    "{who} can tell a thing that exists ({}) from one that does not ({})",
                    existing.status, unknown.status
                )
            },
        );
        report.expect(!matches!(unknown.status, 400 | 401 | 403 | 405 | 415), || {
                format!(
                    "{who} was answered {} before the thing was looked for, so the comparison says nothing; is there \
                     a valid body in the samples? {}",
                    unknown.status, unknown.text
                )
            });
    }

    /// Whoever may call it is let in: with the one scope that it needs, and for people with `admin`.
    async fn with_the_right_one(
        &self,
        client: &Client,
        route: &Route<'_>,
        report: &mut Report<'_>,
    ) -> Result<(), StoreError> {
        let own = self.here.session().await?;
        let mut callers = Vec::new();
        if let Some(needed) = route.access.people {
            callers.extend(
                self.here
                    .tokens
                    .iter()
                    .filter(|(scope, _)| *scope == needed)
                    .map(|(scope, header)| (scope.as_str(), header, route.target.unknown)),
            );
            callers.push(("admin", &self.here.admin, route.target.unknown));
        }
        if let Some(agent) = route.access.agent {
            let name = if agent.own {
                own.agent_id.as_str()
            } else {
                route.target.unknown
            };
            callers.push(("an agent session", &own.header, name));
        }
        let enrolment = self.here.enrolment().await?;
        if route.access.agent_key.is_some() {
            callers.push(("an agent key", &self.here.key, route.target.unknown));
            callers.push(("an enrolment token", &enrolment, route.target.unknown));
        }
        for (who, header, name) in callers {
            let answer = client.call(&route.target, name, Some(header)).await;
            report.expect(answer.let_in(), || {
                format!("does not let {who} in: {}", answer.status)
            });
            report.server_error(&answer);
        }
        Ok(())
    }

    /// Write units so far, but for what a request that changes nothing writes.
    fn written(&self) -> f64 {
        let usage = self.api.store.meter().snapshot();
        usage
            .iter()
            .filter(|(operation, _)| !OF_NO_CHANGE.contains(operation))
            .map(|(_, usage)| usage.write_units)
            .sum()
    }
}

async fn public(client: &Client, target: &Target<'_>, report: &mut Report<'_>) {
    let answer = client.call(target, target.existing, None).await;
    report.expect(!matches!(answer.status, 401 | 403), || {
        format!("is public and answers {}", answer.status)
    });
    report.server_error(&answer);
}

struct Report<'a> {
    route: String,
    found: &'a mut Vec<Violation>,
}

impl Report<'_> {
    fn add(&mut self, what: impl Into<String>) {
        self.found.push(Violation {
            route: self.route.clone(),
            what: what.into(),
        });
    }

    fn expect(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.add(otherwise());
        }
    }

    fn server_error(&mut self, answer: &Answer) {
        self.expect(answer.status < 500, || {
            format!("fails with {}: {}", answer.status, answer.text)
        });
    }
}

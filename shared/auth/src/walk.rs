//! A walk over every route with every kind of credential, for tests: what a route declares is what it does.
//!
//! [`Walker::walk`] reads from the OpenAPI document which operations there are and who may call them, calls each of
//! them with credentials that are missing, junk, forged, expired, revoked, of the other environment, of another kind,
//! with every other scope, and of another tenant, and returns everything that was not as it should be.

mod client;
mod credentials;

use crate::access::Access;
use crate::openapi::{PUBLIC, access_of, operations};
use crate::{Api, Scope};
use client::{Answer, Client, Target};
use credentials::{Refused, Tenant};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use store::{StoreError, TenantScope};
use utoipa::openapi::OpenApi;

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

/// What the walk cannot make up: things that exist, and bodies that are valid.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    things: BTreeMap<String, (String, String)>,
    bodies: BTreeMap<(String, String), Value>,
}

impl Samples {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A thing: for every path that begins with `path`, which ends in its one parameter (`/api/queue/jobs/{id}`), the
    /// name of one that the first tenant has, and a well-formed name that nobody has.
    pub fn thing(mut self, path: &str, existing: &str, unknown: &str) -> Self {
        self.things
            .insert(path.to_owned(), (existing.to_owned(), unknown.to_owned()));
        self
    }

    /// A valid body of an operation. Without one, `{}` is sent to operations that take a body.
    pub fn body(mut self, method: &str, path: &str, body: Value) -> Self {
        self.bodies
            .insert((method.to_owned(), path.to_owned()), body);
        self
    }

    fn thing_for(&self, path: &str) -> Option<&(String, String)> {
        self.things
            .iter()
            .filter(|(prefix, _)| {
                path.strip_prefix(prefix.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, thing)| thing)
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
            refused: credentials::refused(api, here).await?,
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
                let body = operation.request_body.as_ref().map(|_| {
                    samples
                        .bodies
                        .get(&(method.to_owned(), path.clone()))
                        .cloned()
                        .unwrap_or_else(|| Value::Object(serde_json::Map::new()))
                });
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
                let route = Route {
                    target,
                    access,
                    names_a_thing: thing.is_some(),
                };
                self.without_credential(&client, &route, &mut report).await;
                self.with_others(&client, &route, &mut report).await?;
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
        for refused in &self.refused {
            let answer = client
                .call(&route.target, route.target.existing, Some(&refused.header))
                .await;
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
            if access
                .people
                .is_some_and(|needed| needed == *scope || *scope == Scope::Admin)
            {
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
        let mut callers = Vec::new();
        if route.access.people.is_some() {
            callers.push(("another tenant's token", &self.elsewhere.admin));
        }
        if route.access.agent.is_some() {
            callers.push(("another tenant's agent", &foreign.header));
        }
        if route.access.agent.is_some_and(|agent| agent.own) {
            callers.push(("another agent of the tenant", &colleague.header));
        }
        for (who, header) in callers {
            let target = &route.target;
            let before = self.written();
            let unknown = client.call(target, target.unknown, Some(header)).await;
            let existing = client.call(target, target.existing, Some(header)).await;
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
        Ok(())
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
        if route.access.agent_key.is_some() {
            callers.push(("an agent key", &self.here.key, route.target.unknown));
        }
        for (who, header, name) in callers {
            let answer = client.call(&route.target, name, Some(header)).await;
            report.expect(!matches!(answer.status, 401 | 403), || {
                format!("does not let {who} in: {}", answer.status)
            });
            report.server_error(&answer);
        }
        Ok(())
    }

    /// Write units so far, but for noting that a credential was used.
    fn written(&self) -> f64 {
        let usage = self.api.store.meter().snapshot();
        usage
            .iter()
            .filter(|(operation, _)| **operation != "note_use")
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

//! Routes: each with its access, and the OpenAPI document made along with the router.

use crate::guard::{Guard, guard};
use crate::openapi::{base, describe, operations};
use crate::registration::guard_registration;
use crate::relays::guard_relays;
use crate::{Access, Api, Identities};
use axum::middleware::from_fn_with_state;
use axum::{Extension, Router};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

/// The routes of a function. The only way to add one is to say who may call it.
#[derive(Clone)]
pub struct Routes {
    api: Api,
    routes: OpenApiRouter<Api>,
}

impl Routes {
    /// No routes yet.
    pub fn new(api: Api) -> Self {
        let routes = OpenApiRouter::with_openapi(base(api.version));
        Self { api, routes }
    }

    /// Adds what `utoipa_axum::routes!` collects, for those whom `access` lets in.
    pub fn route(self, access: Access, added: UtoipaMethodRouter<Api>) -> Self {
        self.guarded(access, false, added)
    }

    /// As [`route`](Self::route), for handlers that take a [`KnownAgent`](crate::KnownAgent): a credential that was verified a
    /// few minutes ago reaches them without a read, and what they do is on the condition that it is still good.
    pub fn route_for_known_agents(self, access: Access, added: UtoipaMethodRouter<Api>) -> Self {
        self.guarded(access, true, added)
    }

    /// As [`route_for_known_agents`](Self::route_for_known_agents), for handlers that take a
    /// [`Registrant`](crate::Registrant): also enrolment tokens, workloads' tokens and signed requests reach them.
    pub fn route_for_registration(
        self,
        access: Access,
        identities: Identities,
        added: UtoipaMethodRouter<Api>,
    ) -> Self {
        let guarded = self.guard(access, true);
        let (schemas, paths, methods) = added;
        // A guard of its own, so that what verifies those is no part of functions that register nobody.
        let layer = from_fn_with_state((guarded, identities), guard_registration);
        self.add(Some(access), (schemas, paths, methods.route_layer(layer)))
    }

    /// As [`route`](Self::route), for handlers that relays call: requests that a relay has signed reach them, and enrolment
    /// tokens of relays.
    pub fn route_for_relays(self, access: Access, added: UtoipaMethodRouter<Api>) -> Self {
        let guarded = self.guard(access, false);
        let (schemas, paths, methods) = added;
        // A guard of its own, so that other functions do without what verifies those.
        let layer = from_fn_with_state(guarded, guard_relays);
        self.add(Some(access), (schemas, paths, methods.route_layer(layer)))
    }

    fn guard(&self, access: Access, known_agents: bool) -> Guard {
        Guard {
            api: self.api.clone(),
            access,
            known_agents,
        }
    }

    fn guarded(self, access: Access, known_agents: bool, added: UtoipaMethodRouter<Api>) -> Self {
        let guarded = self.guard(access, known_agents);
        let (schemas, paths, methods) = added;
        let methods = methods.route_layer(from_fn_with_state(guarded, guard));
        self.add(Some(access), (schemas, paths, methods))
    }

    /// Adds what `utoipa_axum::routes!` collects, for anybody.
    pub fn public(self, added: UtoipaMethodRouter<Api>) -> Self {
        self.add(None, added)
    }

    fn add(self, access: Option<Access>, added: UtoipaMethodRouter<Api>) -> Self {
        let (schemas, mut paths, methods) = added;
        for (path, item) in &mut paths.paths {
            for (method, operation) in operations(item) {
                describe(path, method, operation, access);
            }
        }
        Self {
            api: self.api,
            routes: self.routes.routes((schemas, paths, methods)),
        }
    }

    /// Gives the handlers of the routes so far a value, which they take as an `axum::Extension`: what a warm process
    /// remembers between requests.
    pub fn share<T: Clone + Send + Sync + 'static>(self, value: T) -> Self {
        Self {
            api: self.api,
            routes: self.routes.layer(Extension(value)),
        }
    }

    /// These routes and those of another function.
    pub fn merge(self, other: Self) -> Self {
        Self {
            api: self.api,
            routes: self.routes.merge(other.routes),
        }
    }

    /// The router, for [`web::app`], and the document of what it serves.
    pub fn into_parts(self) -> (Router, OpenApi) {
        self.routes.with_state(self.api).split_for_parts()
    }
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes")
            .field("paths", &self.routes.get_openapi().paths.paths.keys())
            .finish_non_exhaustive()
    }
}

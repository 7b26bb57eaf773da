//! What people, their tools and their agents do with each credential, and what they do wrong.

use super::plane::{ISSUER, PANICS};
use super::provider;
use super::search::Canary;
use super::stage::{Headers, NOTHING, Stage, bearer, login};
use data_encoding::BASE64;
use serde_json::{Value, json};

pub(super) const REGISTER: &str = "POST /api/agents/register";
const NO_JOB: &str = "job-01JAB3Z5K8Q4V6W7X9Y0ZABCDE";

pub(super) fn registration() -> Value {
    json!({ "pool_name": "default", "version": "0.1.0", "hostname": "h", "max_concurrent_jobs": 2 })
}

fn key_id(token: &str) -> &str {
    &token[11..23]
}

impl Stage {
    /// Signs in with a browser. The session of its cookie.
    pub(super) async fn sign_in(&mut self, provider: &str) -> String {
        let ask = format!("GET /auth/login/{provider}?return_to=/jobs");
        let begun = self.expect(302, &ask, &vec![], &NOTHING).await;
        let cookie = begun.cookie(auth::cookie::LOGIN);
        let under_way = login(&cookie);
        for field in ["state", "nonce", "verifier"] {
            let name = format!("the {field} of a sign-in with {provider}");
            let secret = under_way[field].as_str().unwrap();
            self.canaries
                .push(Canary::new(&name, secret).shown_by(&begun.place));
        }
        let state = under_way["state"].as_str().unwrap();
        assert!(begun.header("location").contains(state));
        let code = self.provider.code(under_way["nonce"].as_str().unwrap());
        let login = vec![("cookie", format!("{}={cookie}", auth::cookie::LOGIN))];
        let back = |provider: &str, state: &str, code: &str| {
            format!("GET /auth/callback/{provider}?state={state}&code={code}")
        };
        let other = provider::random();
        for wrong in [
            back("gitlab", state, &code),
            back(provider, &other, &code),
            back(provider, state, &other),
            format!("GET /auth/callback/{provider}?state={state}&error={code}"),
            format!("{}&state={state}", back(provider, state, &code)),
        ] {
            let answer = self.call(&wrong, &login, &NOTHING).await;
            assert!([401, 404].contains(&answer.status), "{answer:?}");
        }
        let right = back(provider, state, &code);
        let signed_in = self.expect(303, &right, &login, &NOTHING).await;
        self.expect(401, &right, &login, &NOTHING).await;
        let session = signed_in.cookie(auth::cookie::SESSION);
        let name = format!("a session of a browser by {provider}");
        self.keep(&name, &session, &signed_in)
    }

    /// Signs in with a tool, by the access token that the provider issued last.
    pub(super) async fn sign_in_tool(&mut self, provider: &str) -> String {
        let access_token = self.provider.access_token();
        let right = json!({ "provider": provider, "access_token": access_token });
        // One that looks like the provider's, so that the provider is asked, and says all that it was shown.
        let damaged = format!("{}x{}", &access_token[..6], &access_token[6..]);
        for (status, wrong) in [
            (
                404,
                json!({ "provider": "gitlab", "access_token": access_token }),
            ),
            (
                401,
                json!({ "provider": provider, "access_token": damaged }),
            ),
            (
                400,
                json!({ "provider": access_token, "access_token": [access_token] }),
            ),
            (
                400,
                json!({ "provider": provider, "access_token": format!("{access_token} ") }),
            ),
        ] {
            self.expect(status, "POST /auth/session", &vec![], &wrong)
                .await;
        }
        let name = format!("a session of a tool by {provider}");
        let made = ("POST /auth/session", "/session_token");
        self.make(&name, made, &vec![], &right).await
    }

    /// Somebody invites somebody else, who comes, switches there, and back.
    pub(super) async fn invite(&mut self, host: &Headers, guest: &str) -> String {
        let made = ("POST /auth/invitations", "/invitation_token");
        let body = json!({ "role": "DEVELOPER" });
        let unused = self
            .make("an invitation that is revoked", made, host, &body)
            .await;
        let token = self.make("an invitation", made, host, &body).await;
        let listed = self
            .expect(200, "GET /auth/invitations", host, &NOTHING)
            .await;
        let guest = bearer(guest);
        let accept = "POST /auth/invitations/accept";
        let body = json!({ "token": token });
        let joined = self.expect(201, accept, &guest, &body).await;
        let there = joined.text("/organisation/organisation_id").to_owned();
        for invitation in listed.json["invitations"].as_array().unwrap() {
            let id = invitation["invitation_id"].as_str().unwrap();
            let revoke = format!("DELETE /auth/invitations/{id}");
            self.call(&revoke, host, &NOTHING).await;
        }
        let body = json!({ "token": unused });
        self.expect(404, accept, &guest, &body).await;
        let switch = format!("POST /auth/organisations/{there}/switch");
        let made = (switch.as_str(), "/session_token");
        let switched = self
            .make("a session after a switch", made, &guest, &NOTHING)
            .await;
        self.expect(401, "GET /auth/sessions", &guest, &NOTHING)
            .await;
        switched
    }

    /// An API token, and the one that takes its place.
    pub(super) async fn api_tokens(&mut self, person: &Headers) -> String {
        let body = json!({ "name": "ci", "scopes": ["jobs:read", "jobs:write"] });
        let made = ("POST /auth/tokens", "/api_token");
        let token = self.make("an API token", made, person, &body).await;
        let rotate = format!("POST /auth/tokens/{}/rotate", key_id(&token));
        let made = (rotate.as_str(), "/api_token");
        let next = self
            .make("an API token by rotation", made, person, &NOTHING)
            .await;
        for token in [&token, &next] {
            let jobs = "GET /api/queue/jobs";
            self.expect(200, jobs, &bearer(token), &NOTHING).await;
            let validate = "POST /auth/validate";
            self.expect(200, validate, &bearer(token), &NOTHING).await;
            self.expect(403, "GET /api/agents/keys", &bearer(token), &NOTHING)
                .await;
        }
        next
    }

    /// An agent that was registered with those headers. Its session works, until it does not.
    async fn agent(&mut self, by: &str, headers: &Headers) -> String {
        let shown = self.expect(201, REGISTER, headers, &registration()).await;
        let id = shown.text("/agent_id").to_owned();
        let name = format!("a session of an agent by {by}");
        let session = self.keep(&name, shown.text("/session_token"), &shown);
        let agent = bearer(&session);
        let beat = json!({
            "cpu_percent": 1, "memory_percent": 1, "disk_percent": 1, "uptime_seconds": 1, "jobs": [],
        });
        let heartbeat = format!("POST /api/agents/{id}/heartbeat");
        self.expect(200, &heartbeat, &agent, &beat).await;
        self.expect(403, "GET /auth/tokens", &agent, &NOTHING).await;
        session
    }

    /// An agent's work on a job, from its line to its end.
    pub(super) async fn work(&mut self, token: &str, agent: &str) {
        let job = json!({
            "job_type": "build", "pool_name": "default", "git_repo": "https://git.example.com/a",
            "git_commit_sha": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        });
        self.expect(201, "POST /api/queue/jobs", &bearer(token), &job)
            .await;
        let agent = bearer(agent);
        let body = json!({ "max_jobs": 1 });
        let claimed = self
            .expect(200, "POST /api/queue/claim", &agent, &body)
            .await;
        let id = claimed.text("/jobs/0/job_id").to_owned();
        let start = format!("PATCH /api/queue/jobs/{id}/start");
        self.expect(200, &start, &agent, &json!({ "attempt": 1 }))
            .await;
        let complete = format!("PATCH /api/queue/jobs/{id}/complete");
        let body = json!({ "attempt": 1, "exit_code": 0, "duration_seconds": 1 });
        self.expect(200, &complete, &agent, &body).await;
    }

    /// Agents that prove who they are in every way that there is. The session of one of them.
    pub(super) async fn agents(&mut self, person: &Headers) -> String {
        let named = json!({ "name": "a", "pool_name": "default" });
        let made = ("POST /api/agents/keys", "/agent_key");
        let key = self.make("an agent key", made, person, &named).await;
        let rotate = format!("POST /api/agents/keys/{}/rotate", key_id(&key));
        let made = (rotate.as_str(), "/agent_key");
        let next = self
            .make("an agent key by rotation", made, person, &NOTHING)
            .await;
        self.agent("an agent key", &bearer(&key)).await;
        let session = self.agent("the key after it", &bearer(&next)).await;
        let elsewhere =
            json!({ "pool_name": "other", "version": "0.1.0", "max_concurrent_jobs": 1 });
        self.expect(403, REGISTER, &bearer(&next), &elsewhere).await;

        let made = ("POST /api/agents/enrolment-tokens", "/enrolment_token");
        let token = self.make("an enrolment token", made, person, &named).await;
        self.expect(401, "GET /api/queue/jobs", &bearer(&token), &NOTHING)
            .await;
        self.agent("an enrolment token", &bearer(&token)).await;
        self.expect(401, REGISTER, &bearer(&token), &registration())
            .await;

        self.signing_agent(person).await;
        self.workload_agent(person).await;
        session
    }

    async fn signing_agent(&mut self, person: &Headers) {
        let create = "POST /api/agents/signing-keys";
        let body = json!({ "name": "h", "pool_name": "default", "algorithm": "HMAC_SHA256" });
        let shown = self.expect(201, create, person, &body).await;
        let secret = shown.text("/secret_key").to_owned();
        let canary = Canary::new("the key of an HMAC", &secret).shown_by(&shown.place);
        self.canaries.push(canary);
        let id = shown.text("/signing_key/key_id").to_owned();
        let key = BASE64.decode(secret.as_bytes()).unwrap();
        let signed = self.signed(&id, &key, &registration());
        self.agent("a signed request", &signed).await;
        self.expect(401, REGISTER, &signed, &registration()).await;
        // Somebody takes it for a token, and for its id.
        self.expect(401, REGISTER, &bearer(&secret), &registration())
            .await;
        let mistaken = self.signed(&secret, &key, &registration());
        self.expect(401, REGISTER, &mistaken, &registration()).await;
        let body = json!({
            "name": "e", "pool_name": "default", "algorithm": "HMAC_SHA256", "public_key": secret,
        });
        self.expect(400, create, person, &body).await;
        let revoke = format!("DELETE /api/agents/signing-keys/{id}");
        self.expect(204, &revoke, person, &NOTHING).await;
        let late = self.signed(&id, &key, &registration());
        self.expect(401, REGISTER, &late, &registration()).await;
    }

    async fn workload_agent(&mut self, person: &Headers) {
        let rule = json!({
            "name": "w", "pool_name": "default", "issuer": ISSUER, "claims": { "sub": "build" },
        });
        let create = "POST /api/agents/trust-rules";
        let made = self.expect(201, create, person, &rule).await;
        let audience = made.text("/trust_rule/audience").to_owned();
        let good = bearer(&self.provider.workload(&audience));
        self.agent("a workload's token", &good).await;
        self.expect(401, REGISTER, &good, &registration()).await;
        for audience in [audience.as_str(), "https://elsewhere.example.com"] {
            let token = self.provider.workload(audience);
            let jobs = "GET /api/queue/jobs";
            self.expect(401, jobs, &bearer(&token), &NOTHING).await;
            if audience.starts_with("https://elsewhere") {
                self.expect(401, REGISTER, &bearer(&token), &registration())
                    .await;
            }
            self.misplace(&token, "").await;
        }
    }

    /// Puts a secret wherever somebody could put it who does not know better. Nothing takes it.
    pub(super) async fn misplace(&mut self, secret: &str, good: &str) {
        let anywhere = [
            format!("GET /api/queue/jobs/{secret}"),
            format!("GET /api/queue/jobs?cursor={secret}"),
            format!("GET /api/queue/jobs?status={secret}"),
            format!("GET /api/queue/jobs?limit={secret}"),
            format!("GET /api/queue/jobs?{secret}=1"),
            format!("GET /api/queue/jobs?{secret}=1&{secret}=2"),
            format!("GET /api/dashboard/audit?actor={secret}&limit=x"),
            format!("DELETE /api/agents/keys/{secret}"),
            format!("DELETE /auth/tokens/{secret}"),
            format!("POST /auth/organisations/{secret}/switch"),
            format!("GET /auth/login/{secret}"),
            format!("GET /nowhere/{secret}?token={secret}"),
            format!("PATCH /api/agents/register?{secret}"),
        ];
        for operation in &anywhere {
            for credential in [secret, good] {
                let answer = self.call(operation, &bearer(credential), &NOTHING).await;
                assert!((400..500).contains(&answer.status), "{answer:?}");
            }
        }
        let name = json!({ secret: secret });
        let fields = json!({ "job_type": secret, "pool_name": [secret], "max_jobs": secret });
        for (operation, body) in [
            ("POST /api/queue/jobs", &fields),
            ("POST /api/queue/claim", &fields),
            ("POST /api/queue/jobs", &name),
            ("POST /auth/tokens", &name),
            ("POST /auth/session", &name),
            ("POST /auth/invitations", &json!({ "role": secret })),
            (
                "POST /auth/tokens",
                &json!({ "name": "n", "scopes": [secret] }),
            ),
            (
                "POST /auth/session",
                &json!({ "provider": "github", "access_token": secret }),
            ),
            (
                "POST /auth/invitations/accept",
                &json!({ "token": format!("{secret}.") }),
            ),
            (
                &format!("PATCH /api/queue/jobs/{NO_JOB}/start"),
                &json!(secret),
            ),
        ] {
            for credential in [secret, good] {
                let answer = self.call(operation, &bearer(credential), body).await;
                assert!((400..500).contains(&answer.status), "{answer:?}");
            }
        }
        for header in [
            ("authorization", format!("Basic {secret}")),
            ("authorization", secret.to_owned()),
            ("authorization", format!("Bearer {secret}x")),
            (
                "cookie",
                format!("a={secret}; {}={secret}", auth::cookie::LOGIN),
            ),
            (
                "cookie",
                format!("{0}={secret}; {0}={secret}", auth::cookie::SESSION),
            ),
            ("x-request-id", format!("{secret} ")),
            ("x-api-key", secret.to_owned()),
        ] {
            let answer = self
                .call("GET /auth/sessions", &vec![header], &NOTHING)
                .await;
            assert_eq!(answer.status, 401, "{answer:?}");
        }
        let body = json!({ "secret": secret });
        let panicked = format!("POST {PANICS}?{secret}");
        self.expect(500, &panicked, &bearer(secret), &body).await;
    }

    /// Everything that can be read.
    pub(super) async fn read(&mut self, person: &Headers) {
        for path in [
            "/auth/sessions",
            "/auth/tokens",
            "/auth/members",
            "/auth/invitations",
            "/auth/organisations",
            "/api/agents",
            "/api/agents/keys",
            "/api/agents/enrolment-tokens",
            "/api/agents/signing-keys",
            "/api/agents/trust-rules",
            "/api/agents/pools",
            "/api/queue/jobs",
            "/api/queue/stats",
            "/api/dashboard/jobs",
            "/api/dashboard/summary",
            "/api/dashboard/audit?limit=100",
            "/api/dashboard/audit/export",
            "/api/openapi.json",
        ] {
            let answer = self.call(&format!("GET {path}"), person, &NOTHING).await;
            assert!([200, 403].contains(&answer.status), "{answer:?}");
        }
    }
}

//! A caller of the API.

use crate::harness::until;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;
use wire::{Job, JobId, JobResponse, JobStatus};

/// How long a caller waits for an answer: longer than the server takes for any.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);

/// A client with a credential.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    client: Client,
    url: String,
    token: String,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Null if it was not JSON.
    pub(crate) body: Value,
}

impl Answer {
    /// The body of an answer that must have this status.
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// The body of an answer of success.
    pub(crate) fn read<T: DeserializeOwned>(self) -> T {
        assert!(
            (200..300).contains(&self.status),
            "{}: {}",
            self.status,
            self.body
        );
        let shown = self.body.to_string();
        serde_json::from_value(self.body).unwrap_or_else(|error| panic!("{error}: {shown}"))
    }

    /// The code of the problem that was answered with.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl Api {
    /// A caller with a credential, and with connections of its own.
    pub(crate) fn new(url: &str, token: &str) -> Self {
        let client = Client::builder()
            .timeout(ANSWER_WITHIN)
            .no_proxy()
            .build()
            .unwrap();
        Self {
            client,
            url: url.to_owned(),
            token: token.to_owned(),
        }
    }

    /// The same connections with another credential.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// The credential.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Calls the API.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let shown = format!("{method} {path}");
        self.try_call(method, path, body)
            .await
            .unwrap_or_else(|error| panic!("{shown}: {error:?}"))
    }

    /// Calls the API, where there may be nobody to answer.
    pub(crate) async fn try_call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<Answer> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await?;
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// Puts a job in line.
    pub(crate) async fn enqueue(&self, request: &Value) -> Job {
        let body = self.post("/api/queue/jobs", request).await.expect(201);
        serde_json::from_value::<JobResponse>(body).unwrap().job
    }

    /// Puts up to 100 jobs in line.
    pub(crate) async fn enqueue_all(&self, requests: &[Value]) -> Vec<JobId> {
        let body = json!({ "jobs": requests });
        let answer = self.post("/api/queue/jobs/batch", &body).await.expect(201);
        let results = answer["results"].as_array().unwrap();
        results
            .iter()
            .map(|result| serde_json::from_value(result["job"]["job_id"].clone()).unwrap())
            .collect()
    }

    /// The job as it stands.
    pub(crate) async fn job(&self, id: &JobId) -> Job {
        let answer = self.get(&format!("/api/queue/jobs/{id}")).await;
        answer.read::<JobResponse>().job
    }

    /// The attempts of a job that have ended.
    pub(crate) async fn attempts(&self, id: &JobId) -> Vec<Value> {
        let body = self
            .get(&format!("/api/dashboard/jobs/{id}"))
            .await
            .expect(200);
        body["attempts"].as_array().unwrap().clone()
    }

    /// Cancels a job, or asks its agent to.
    pub(crate) async fn cancel(&self, id: &JobId) -> Job {
        let answer = self.delete(&format!("/api/queue/jobs/{id}")).await;
        answer.read::<JobResponse>().job
    }

    /// Waits until a job is as it should be.
    pub(crate) async fn wait_until(
        &self,
        id: &JobId,
        what: &str,
        within: Duration,
        is_so: impl Fn(&Job) -> bool,
    ) -> Job {
        let what = format!("{id} to be {what}");
        let mut shown = None;
        until(&what, within, async || {
            let job = self.job(id).await;
            let state = (job.status, job.attempt, job.cause);
            if shown.replace(state) != Some(state) {
                eprintln!("{id}: {state:?}");
            }
            is_so(&job).then_some(job)
        })
        .await
    }

    /// Waits until a job has this status.
    pub(crate) async fn wait_for(&self, id: &JobId, status: JobStatus, within: Duration) -> Job {
        self.wait_until(id, status.as_str(), within, |job| job.status == status)
            .await
    }

    /// Every job that a listing yields, page by page.
    pub(crate) async fn list(&self, query: &str) -> Vec<Job> {
        let mut jobs = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/api/queue/jobs?limit=100&{query}{cursor}");
            let page = self.get(&path).await.expect(200);
            let found: Vec<Job> = serde_json::from_value(page["jobs"].clone()).unwrap();
            jobs.extend(found);
            let Some(next) = page["next_cursor"].as_str() else {
                return jobs;
            };
            cursor = format!("&cursor={next}");
        }
    }
}

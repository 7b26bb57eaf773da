//! The SDK's HTTP client, without the HTTP.

use std::sync::Arc;

use aws_sdk_dynamodb::Config;
use aws_sdk_dynamodb::config::auth::{Params as AuthParams, ResolveAuthScheme};
use aws_sdk_dynamodb::config::endpoint::{
    Endpoint, EndpointFuture, Params as EndpointParams, ResolveEndpoint,
};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Builder, ConfigBag, Region, RuntimeComponents, StalledStreamProtectionConfig,
};
use aws_smithy_runtime_api::client::auth::AuthSchemeOptionsFuture;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;

use crate::dispatch::{Answer, Token};
use crate::fault::{Fault, Policy};
use crate::record::Recording;
use crate::runner::Runner;

/// The name of the database as the SDK knows it. It is never looked up.
const ENDPOINT: &str = "http://embedded-dynamodb.invalid";

/// A configuration whose calls `runner` answers.
pub(crate) fn config(
    runner: Arc<Runner>,
    recording: Option<Recording>,
    policy: Option<Policy>,
    token: Token,
) -> Builder {
    let connector = SharedHttpConnector::new(Connector {
        runner,
        recording,
        policy: policy.map(Arc::new),
        token,
    });
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("local"))
        .endpoint_resolver(HereResolver)
        .allow_no_auth()
        .auth_scheme_resolver(NoAuthResolver)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .http_client(InProcess { connector })
}

/// The SDK's resolver walks a table of rules for each call; here all endpoints are the same.
#[derive(Debug)]
struct HereResolver;

impl ResolveEndpoint for HereResolver {
    fn resolve_endpoint<'a>(&'a self, _params: &'a EndpointParams) -> EndpointFuture<'a> {
        EndpointFuture::ready(Ok(Endpoint::builder().url(ENDPOINT).build()))
    }
}

/// Nothing is signed, since nothing leaves the process: what remains is the scheme that `allow_no_auth` appends.
#[derive(Debug)]
struct NoAuthResolver;

impl ResolveAuthScheme for NoAuthResolver {
    fn resolve_auth_scheme<'a>(
        &'a self,
        _params: &'a AuthParams,
        _config: &'a ConfigBag,
        _components: &'a RuntimeComponents,
    ) -> AuthSchemeOptionsFuture<'a> {
        AuthSchemeOptionsFuture::ready(Ok(Vec::new()))
    }
}

#[derive(Debug)]
struct InProcess {
    connector: SharedHttpConnector,
}

impl HttpClient for InProcess {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.connector.clone()
    }
}

#[derive(Clone, Debug)]
struct Connector {
    runner: Arc<Runner>,
    recording: Option<Recording>,
    policy: Option<Arc<Policy>>,
    token: Token,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.clone();
        HttpConnectorFuture::new(async move { connector.answer(&request).await })
    }
}

impl Connector {
    async fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let operation = request
            .headers()
            .get("x-amz-target")
            .and_then(|target| target.strip_prefix("DynamoDB_20120810."))
            .ok_or_else(|| {
                ConnectorError::user("the request names no operation of DynamoDB".into())
            })?;
        let body = request
            .body()
            .bytes()
            .ok_or_else(|| ConnectorError::user("the request's body is a stream".into()))?;
        if let Some(recording) = &self.recording {
            recording.add(operation, body);
        }
        let fault = match &self.policy {
            Some(policy) => policy.decide(operation, body),
            None => Fault::None,
        };
        match fault {
            Fault::None => response(self.runner.run(operation, body, self.token).await),
            Fault::Unseen => match Answer::unseen(operation, body) {
                Some(nothing) => response(nothing),
                None => response(self.runner.run(operation, body, self.token).await),
            },
            Fault::UnseenIn(table) => {
                let answer = self.runner.run(operation, body, self.token).await;
                response(answer.without_table(table, body))
            }
            Fault::Throttle => response(Answer::throttled()),
            Fault::DropBefore => Err(broken("before the call arrived")),
            Fault::DropAfter => {
                self.runner.run(operation, body, self.token).await;
                Err(broken("before the answer arrived"))
            }
        }
    }
}

fn response(answer: Answer) -> Result<HttpResponse, ConnectorError> {
    let status = answer
        .status
        .try_into()
        .map_err(|error| ConnectorError::other(Box::new(error), None))?;
    Ok(HttpResponse::new(status, SdkBody::from(answer.body)))
}

fn broken(when: &str) -> ConnectorError {
    ConnectorError::io(format!("injected fault: the connection broke {when}").into())
}

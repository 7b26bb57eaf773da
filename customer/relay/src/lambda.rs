//! The relay on Lambda, behind a function URL or API Gateway's HTTP API. Every event that is no request, such as one of a
//! schedule, makes it tell the control plane how it does.

use crate::heartbeat::beat;
use crate::plane::Plane;
use crate::relay::Relay;
use crate::webhook::router;
use lambda_http::lambda_runtime::{self, service_fn};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Error, LambdaEvent, Service};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use std::convert::Infallible;

/// What Lambda calls the function with.
#[derive(Debug)]
enum Invocation {
    Request(Box<LambdaRequest>),
    Schedule,
}

impl<'de> Deserialize<'de> for Invocation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        Ok(serde_json::from_str(text.get())
            .map_or(Self::Schedule, |request| Self::Request(Box::new(request))))
    }
}

/// What the function answers.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer<T> {
    Response(T),
    Nothing,
}

/// Serves until Lambda ends the process.
///
/// # Errors
/// The runtime API cannot be spoken to.
pub async fn serve(relay: Relay, plane: Plane) -> Result<(), Error> {
    let requests = router(relay.clone());
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Invocation>| {
        let mut requests = Adapter::from(requests.clone());
        let (relay, plane) = (relay.clone(), plane.clone());
        async move {
            let answer = match event.payload {
                Invocation::Request(request) => {
                    let event = LambdaEvent::new(*request, event.context);
                    Answer::Response(requests.call(event).await?)
                }
                Invocation::Schedule => {
                    beat(&relay, &plane).await;
                    Answer::Nothing
                }
            };
            Ok::<_, Infallible>(answer)
        }
    }))
    .await
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use http::header::CONTENT_TYPE;

    /// As function URLs and HTTP APIs send them: payload format 2.0.
    const REQUEST: &str = r#"{
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/relay/webhooks/github",
        "rawQueryString": "",
        "headers": { "content-type": "application/json", "x-github-event": "ping" },
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abc",
            "domainName": "abc.lambda-url.eu-central-1.on.aws",
            "domainPrefix": "abc",
            "http": { "method": "POST", "path": "/relay/webhooks/github", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "x" },
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Mar/2026:19:03:58 +0000",
            "timeEpoch": 1583348638390
        },
        "body": "eyJ6ZW4iOiJ4In0=",
        "isBase64Encoded": true
    }"#;

    /// As EventBridge sends what a schedule is due for.
    const SCHEDULE: &str = r#"{
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-10-08T16:53:06Z",
        "region": "eu-central-1",
        "resources": ["arn:aws:events:eu-central-1:123456789012:rule/heartbeat"],
        "detail": {}
    }"#;

    #[test]
    fn a_request_is_one_with_the_bytes_that_were_sent() {
        let Invocation::Request(request) = serde_json::from_str(REQUEST).unwrap() else {
            panic!("is taken for a schedule");
        };
        let request: lambda_http::Request = (*request).into();
        assert_eq!(request.uri().path(), "/relay/webhooks/github");
        assert_eq!(request.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(request.body().as_ref(), br#"{"zen":"x"}"#);
    }

    #[test]
    fn what_is_no_request_is_a_schedule() {
        for event in [SCHEDULE, "{}", "null"] {
            let invocation: Invocation = serde_json::from_str(event).unwrap();
            assert!(matches!(invocation, Invocation::Schedule), "{event}");
        }
    }
}

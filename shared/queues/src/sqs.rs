//! Amazon SQS.

use crate::{Attributes, Message, Outgoing, QueueError, SqsAddress};
use aws_credential_types::Credentials;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{Builder, Config, Region};
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName};
use std::time::Duration;

/// What a call may take besides the time that it waits for messages.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// The name of the attribute with the subject.
const SUBJECT: &str = "subject";

/// A queue of SQS, as whoever the credentials belong to sees it.
#[derive(Debug, Clone)]
pub struct Sqs {
    client: Client,
    /// Other than the client's own.
    credentials: Option<Credentials>,
    address: SqsAddress,
    /// The URL that calls name. In tests it is one of a server on this machine.
    url: String,
}

impl Sqs {
    /// The queue at that address, with the client's own credentials.
    pub fn new(client: Client, address: SqsAddress) -> Self {
        let url = address.to_string();
        Self {
            client,
            credentials: None,
            address,
            url,
        }
    }

    /// With the credentials of a role that was assumed.
    pub fn with_credentials(self, credentials: Credentials) -> Self {
        Self {
            credentials: Some(credentials),
            ..self
        }
    }

    /// Where it is.
    pub fn address(&self) -> &SqsAddress {
        &self.address
    }

    /// What is different for this queue: where it is, and as whom.
    fn own(&self, wait: Duration) -> Builder {
        let timeout = TimeoutConfig::builder()
            .operation_attempt_timeout(CALL_TIMEOUT + wait)
            .operation_timeout(2 * CALL_TIMEOUT + wait)
            .build();
        let mut config = Config::builder()
            .region(Region::new(self.address.region().to_owned()))
            .timeout_config(timeout);
        if let Some(credentials) = &self.credentials {
            config = config.credentials_provider(credentials.clone());
        }
        config
    }

    pub(crate) async fn receive(
        &self,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(max).unwrap_or(1))
            .wait_time_seconds(i32::try_from(wait.as_secs()).unwrap_or_default())
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_attribute_names(SUBJECT)
            .customize()
            .config_override(self.own(wait))
            .send()
            .await
            .map_err(error_of)?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        Ok(messages.filter_map(message_of).collect())
    }

    pub(crate) async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        self.client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .customize()
            .config_override(self.own(Duration::ZERO))
            .send()
            .await
            .map_err(error_of)?;
        Ok(())
    }

    pub(crate) async fn send(&self, message: Outgoing<'_>) -> Result<(), QueueError> {
        let subject = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(message.subject)
            .build()
            .map_err(|error| QueueError::Refused(error.to_string()))?;
        let fifo = self
            .address
            .is_fifo()
            .then(|| message.deduplication_id.to_owned());
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(message.body)
            .message_attributes(SUBJECT, subject)
            // No event waits for another: each is a group of its own.
            .set_message_group_id(fifo.clone())
            .set_message_deduplication_id(fifo)
            .customize()
            .config_override(self.own(Duration::ZERO))
            .send()
            .await
            .map_err(error_of)?;
        Ok(())
    }

    pub(crate) async fn attributes(&self) -> Result<Attributes, QueueError> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Waiting,
            ApproximateNumberOfMessagesNotVisible as InFlight,
        };
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(Waiting)
            .attribute_names(InFlight)
            .customize()
            .config_override(self.own(Duration::ZERO))
            .send()
            .await
            .map_err(error_of)?;
        let attributes = answer.attributes.unwrap_or_default();
        let number = |name| attributes.get(&name).and_then(|text| text.parse().ok());
        Ok(Attributes {
            waiting: number(Waiting),
            in_flight: number(InFlight),
        })
    }
}

/// A message without what it is deleted by could only be read forever.
fn message_of(message: aws_sdk_sqs::types::Message) -> Option<Message> {
    let receive_count = message
        .attributes
        .as_ref()
        .and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount))
        .and_then(|text| text.parse().ok());
    let mut attributes = message.message_attributes.unwrap_or_default();
    let subject = attributes.remove(SUBJECT).and_then(|it| it.string_value);
    Some(Message {
        id: message.message_id.unwrap_or_default(),
        receipt: message.receipt_handle?,
        body: message.body.unwrap_or_default(),
        subject: subject.unwrap_or_default(),
        receive_count: receive_count.unwrap_or(1),
    })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "what a call fails with is mapped where it is"
)]
fn error_of<E: ProvideErrorMetadata + std::fmt::Debug>(error: SdkError<E>) -> QueueError {
    let Some(service) = error.as_service_error() else {
        return QueueError::Unreachable(without_bodies(&error));
    };
    let code = service.code().unwrap_or("no code").to_owned();
    let is_server_error = error
        .raw_response()
        .is_some_and(|answer| answer.status().is_server_error());
    match code.rsplit('.').next().unwrap_or_default() {
        "QueueDoesNotExist" | "NonExistentQueue" => QueueError::Missing(code),
        "AccessDenied"
        | "AccessDeniedException"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "KmsAccessDenied"
        | "InvalidSecurity" => QueueError::Denied(code),
        "RequestThrottled" | "ThrottlingException" | "OverLimit" | "KmsThrottled" => {
            QueueError::Unreachable(code)
        }
        _ if is_server_error => QueueError::Unreachable(code),
        _ => QueueError::Refused(code),
    }
}

/// What failed below the service, in a word: the error's own text can hold a URL.
fn without_bodies<E>(error: &SdkError<E>) -> String {
    let what = match error {
        SdkError::ConstructionFailure(_) => "the call could not be made",
        SdkError::TimeoutError(_) => "time-out",
        SdkError::DispatchFailure(_) => "no connection",
        SdkError::ResponseError(_) => "the answer could not be read",
        _ => "failed",
    };
    what.to_owned()
}

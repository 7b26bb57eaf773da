//! What can go wrong with the store, by what the caller must do.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// A failed operation of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB throttles or cannot be reached, and the SDK's own retries are used up. Try again after a pause: 503.
    #[error("{operation}: DynamoDB is busy or out of reach: {reason}")]
    Busy {
        /// The operation.
        operation: &'static str,
        /// What the SDK said.
        reason: String,
    },
    /// DynamoDB refused the request, for instance because a table is missing or a permission. Trying again does not help.
    #[error("{operation}: DynamoDB refused: {code}: {reason}")]
    Refused {
        /// The operation.
        operation: &'static str,
        /// DynamoDB's error code.
        code: String,
        /// DynamoDB's message.
        reason: String,
    },
    /// An item is not what this version writes and reads.
    #[error("{operation}: an item cannot be read: {reason}")]
    Unreadable {
        /// The operation.
        operation: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl StoreError {
    /// Sorts an error of the SDK into ours. Failed conditions are results, not errors: callers take them out before.
    pub(crate) fn from_sdk<E>(operation: &'static str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        const BUSY: [&str; 9] = [
            "ThrottlingException",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "LimitExceededException",
            "InternalServerError",
            "ServiceUnavailable",
            "TransactionCanceledException",
            "TransactionInProgressException",
            "ReplicatedWriteConflictException",
        ];
        let reason = std::iter::successors(Some(error as &dyn std::error::Error), |error| {
            error.source()
        })
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ");
        let SdkError::ServiceError(service) = error else {
            return Self::Busy { operation, reason };
        };
        let code = service.err().code().unwrap_or("unknown").to_owned();
        if service.raw().status().is_server_error() || BUSY.contains(&code.as_str()) {
            return Self::Busy { operation, reason };
        }
        Self::Refused {
            operation,
            code,
            reason,
        }
    }

    pub(crate) fn unreadable(operation: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Unreadable {
            operation,
            reason: reason.to_string(),
        }
    }
}

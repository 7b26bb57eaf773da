//! What the machine that a relay runs on is in its cloud. Only the customer's side has one.

use super::Source;
use super::source::Assertion;
use crate::QueueError;
use secrecy::SecretString;
use std::path::PathBuf;
use wire::relay::EntraId;

/// Reads the environment.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What the environment says of this machine, in the words that Microsoft's and Google's own libraries read.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// Which of several identities, where a machine of Azure has several.
    client_id: Option<EntraId>,
    entra: Entra,
    /// What is wrong with what is said of Azure.
    faults: Vec<String>,
}

/// How a program on Azure learns who it is.
#[derive(Debug, Clone)]
enum Entra {
    /// Kubernetes gives it a token for a directory, in a file that it renews.
    Workload { directory: EntraId, file: PathBuf },
    /// App Service and Container Apps serve tokens at an address of each program's own.
    Served {
        endpoint: String,
        header: SecretString,
    },
    /// A virtual machine asks the host that it is on.
    Host,
}

impl Machine {
    /// Reads `AZURE_CLIENT_ID`, `AZURE_TENANT_ID`, `AZURE_FEDERATED_TOKEN_FILE`, `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`.
    /// An id may be written in either case.
    pub(crate) fn read(lookup: Lookup<'_>) -> Self {
        let variable = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let mut faults = Vec::new();
        let mut id = |name: &str| {
            let text = variable(name)?.trim().to_ascii_lowercase();
            let id = EntraId::parse(&text);
            let what = "must be a UUID, such as 3f2504e0-4f89-41d3-9a0c-0305e82c3301";
            id.map_err(|_| faults.push(format!("{name}: {what}"))).ok()
        };
        let (directory, client_id) = (id("AZURE_TENANT_ID"), id("AZURE_CLIENT_ID"));
        let workload = directory.zip(variable("AZURE_FEDERATED_TOKEN_FILE"));
        let served = variable("IDENTITY_ENDPOINT").zip(variable("IDENTITY_HEADER"));
        let entra = match (workload, served) {
            (Some((directory, file)), _) if client_id.is_some() => Entra::Workload {
                directory,
                file: PathBuf::from(file),
            },
            (_, Some((endpoint, header))) => Entra::Served {
                endpoint,
                header: SecretString::from(header),
            },
            _ => Entra::Host,
        };
        Self {
            client_id,
            entra,
            faults,
        }
    }

    /// Tokens for Azure.
    ///
    /// # Errors
    /// [`QueueError::Refused`]: the environment names an identity by what cannot be one. To use another instead would be to guess.
    pub(crate) fn entra(&self) -> Result<Source, QueueError> {
        if !self.faults.is_empty() {
            return Err(QueueError::Refused(self.faults.join("; ")));
        }
        let client_id = self.client_id.clone();
        Ok(match (&self.entra, client_id) {
            (Entra::Workload { directory, file }, Some(client_id)) => Source::Entra {
                directory_id: directory.clone(),
                client_id,
                assertion: Assertion::File(file.clone()),
            },
            (Entra::Served { endpoint, header }, client_id) => Source::EntraServed {
                endpoint: endpoint.clone(),
                header: header.clone(),
                client_id,
            },
            (_, client_id) => Source::EntraHost { client_id },
        })
    }

    /// Tokens for Google Cloud: of the service account that the machine, the pod or the service runs as.
    #[expect(clippy::unused_self, reason = "it stands beside the other")]
    pub(crate) fn google(&self) -> Source {
        Source::GoogleHost
    }
}

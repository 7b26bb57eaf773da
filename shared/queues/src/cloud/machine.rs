//! What the machine that a relay runs on is in its cloud. Only the customer's side has one.

use super::Source;
use super::source::Assertion;
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
    pub(crate) fn read(lookup: Lookup<'_>) -> Self {
        let variable = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let id = |name: &str| variable(name).and_then(|text| EntraId::parse(&text).ok());
        let workload = id("AZURE_TENANT_ID").zip(variable("AZURE_FEDERATED_TOKEN_FILE"));
        let served = variable("IDENTITY_ENDPOINT").zip(variable("IDENTITY_HEADER"));
        let client_id = id("AZURE_CLIENT_ID");
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
        Self { client_id, entra }
    }

    /// Tokens for Azure.
    pub(crate) fn entra(&self) -> Source {
        let client_id = self.client_id.clone();
        match (&self.entra, client_id) {
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
        }
    }

    /// Tokens for Google Cloud: of the service account that the machine, the pod or the service runs as.
    #[expect(clippy::unused_self, reason = "it stands beside the other")]
    pub(crate) fn google(&self) -> Source {
        Source::GoogleHost
    }
}

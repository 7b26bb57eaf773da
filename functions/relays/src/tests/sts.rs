//! An STS on this machine, whose roles have the trust policies that their names say.

use crate::RoleGuard;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Where it listens, and what it was asked.
#[derive(Clone)]
pub(super) struct FakeSts {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl FakeSts {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, seen.clone()));
            }
        });
        Self { address, asked }
    }

    pub(super) fn guard(&self) -> RoleGuard {
        let read = RoleGuard::read(&|name| {
            Some(match name {
                "AWS_ENDPOINT_URL_STS" => self.address.clone(),
                "AWS_REGION" => "eu-central-1".to_owned(),
                "AWS_SESSION_TOKEN" => return None,
                _ => "key".to_owned(),
            })
        });
        read.unwrap()
    }

    /// The bodies of all calls.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(mut stream: TcpStream, asked: Arc<Mutex<Vec<String>>>) {
    let mut bytes = Vec::new();
    let body = loop {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.unwrap_or_default();
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        let whole = text.split_once("\r\n\r\n").and_then(|(head, body)| {
            let length = head.split_once("content-length: ")?.1;
            let length: usize = length.lines().next()?.trim().parse().ok()?;
            (body.len() >= length).then(|| body.to_owned())
        });
        match whole {
            Some(body) => break body,
            None if read == 0 => return,
            None => {}
        }
    };
    asked.lock().unwrap().push(body.clone());
    let has_external_id = body.contains("externalid=");
    let (status, text) = if body.contains("hybrid-ci-down") {
        ("500 Internal Server Error", error("InternalFailure"))
    } else if body.contains("hybrid-ci-open") || (body.contains("hybrid-ci-any") && has_external_id)
    {
        ("200 OK", credentials())
    } else {
        ("403 Forbidden", error("AccessDenied"))
    };
    let length = text.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/xml\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    let _ = stream.write_all(format!("{head}{text}").as_bytes()).await;
}

fn error(code: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>no</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    )
}

fn credentials() -> String {
    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
     <AccessKeyId>a</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
     <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        .to_owned()
}

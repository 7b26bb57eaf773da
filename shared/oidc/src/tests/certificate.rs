//! A certificate for hosts of tests, made when the test runs.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// `ecdsa-with-SHA256`, as a sequence of its own.
const SIGNED_BY: [u8; 12] = [
    0x30, 10, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02,
];
/// `id-ecPublicKey` on P-256, likewise.
const KEY_KIND: [u8; 21] = [
    0x30, 19, 0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 8, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07,
];
/// The names of the extension and of the attribute.
const SUBJECT_ALTERNATIVE_NAME: [u8; 5] = [0x06, 3, 0x55, 0x1d, 0x11];
const COMMON_NAME: [u8; 5] = [0x06, 3, 0x55, 0x04, 0x03];

const SEQUENCE: u8 = 0x30;

/// Speaks TLS as these hosts, and the certificate to trust for it.
pub(super) fn acceptor(hosts: &[&str]) -> (TlsAcceptor, Vec<u8>) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let certificate = self_signed(&pair, hosts);
    let key = pair.to_pkcs8v1().unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.as_ref().to_vec()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certificate.clone())], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), certificate)
}

fn self_signed(pair: &EcdsaKeyPair, hosts: &[&str]) -> Vec<u8> {
    let name = tagged(0x0c, &[b"test"]);
    let name = tagged(SEQUENCE, &[&COMMON_NAME, &name]);
    let name = tagged(SEQUENCE, &[&tagged(0x31, &[&name])]);
    let validity = tagged(
        SEQUENCE,
        &[
            &tagged(0x17, &[b"200101000000Z"]),
            &tagged(0x18, &[b"99991231235959Z"]),
        ],
    );
    let point = tagged(0x03, &[&[0], pair.public_key().as_ref()]);
    let key = tagged(SEQUENCE, &[&KEY_KIND, &point]);
    let hosts: Vec<u8> = hosts
        .iter()
        .flat_map(|host| tagged(0x82, &[host.as_bytes()]))
        .collect();
    let hosts = tagged(0x04, &[&tagged(SEQUENCE, &[&hosts])]);
    let extension = tagged(SEQUENCE, &[&SUBJECT_ALTERNATIVE_NAME, &hosts]);
    let extensions = tagged(0xa3, &[&tagged(SEQUENCE, &[&extension])]);
    let version_3 = [0xa0, 3, 0x02, 1, 2];
    let serial = [0x02, 1, 1];
    let content = tagged(
        SEQUENCE,
        &[
            &version_3,
            &serial,
            &SIGNED_BY,
            &name,
            &validity,
            &name,
            &key,
            &extensions,
        ],
    );
    let signature = pair.sign(&SystemRandom::new(), &content).unwrap();
    let signature = tagged(0x03, &[&[0], signature.as_ref()]);
    tagged(SEQUENCE, &[&content, &SIGNED_BY, &signature])
}

/// One element of DER: tag, length, content.
fn tagged(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match length {
        [0, short] if short < 0x80 => vec![tag, short],
        [0, middle] => vec![tag, 0x81, middle],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [head, content].concat()
}

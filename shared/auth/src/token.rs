//! Tokens: `hcp_<env>_<kind>_<keyid12>_<secret43>_<crc6>`.
//!
//! `env` is `live` or `test`; `kind` is `u` (API token), `a` (agent key), `s` (agent session), `w` (person's session), `e`
//! (enrolment token) or `i` (invitation); the key id is public, and what a person works with begins with the handle of their
//! membership there; the secret is base64url of 32 random bytes; the last six characters are the CRC-32 of everything before the last `_`, in
//! base 62 with the digits `0-9A-Za-z`. Junk is refused before anything is read, and secret scanners can recognise a token.

use crate::Environment;
use data_encoding::BASE64URL_NOPAD;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use store::{CredentialKind, KeyId, MemberHandle, Presented};
use web::Entropy;

/// How many characters a token has.
const LENGTH: usize = 74;
/// How many of them are before the last `_`.
const CHECKED: usize = LENGTH - 7;

/// A token that was just made: the only moment at which its text is known.
#[derive(Debug, Clone)]
pub struct Token {
    /// The text, for whoever is to bear it.
    pub text: SecretString,
    /// What the store keeps of it, and verifies it by.
    pub presented: Presented,
}

/// Why text is not a token. For the log: the caller is told nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not have the form of a token.
    #[error("malformed")]
    Malformed,
    /// It has, and its checksum is wrong.
    #[error("wrong checksum")]
    Checksum,
    /// It is of the other environment.
    #[error("of the other environment")]
    OtherEnvironment,
}

impl Token {
    /// A new token with a key id of its own.
    pub fn issue(environment: Environment, kind: CredentialKind, entropy: &Entropy) -> Self {
        Self::new(environment, kind, KeyId::new(entropy.bytes()), entropy)
    }

    /// A new agent session. It bears the key id of the agent key that it is derived from, and ends with that key.
    pub fn issue_session(environment: Environment, parent: &KeyId, entropy: &Entropy) -> Self {
        Self::new(
            environment,
            CredentialKind::AgentSession,
            parent.clone(),
            entropy,
        )
    }

    /// A new API token or session of a member. Its key id begins with the handle of the membership, and it ends with that.
    pub fn issue_for_member(
        environment: Environment,
        kind: CredentialKind,
        handle: &MemberHandle,
        entropy: &Entropy,
    ) -> Self {
        let key_id = KeyId::of_member(handle, entropy.bytes());
        Self::new(environment, kind, key_id, entropy)
    }

    fn new(
        environment: Environment,
        kind: CredentialKind,
        key_id: KeyId,
        entropy: &Entropy,
    ) -> Self {
        let secret = Zeroizing::new(entropy.bytes::<32>());
        let encoded = Zeroizing::new(BASE64URL_NOPAD.encode(&*secret));
        let checked = Zeroizing::new(format!(
            "hcp_{environment}_{}_{key_id}_{}",
            letter(kind),
            *encoded
        ));
        let text = format!("{}_{}", *checked, checksum(&checked));
        Self {
            text: SecretString::from(text),
            presented: Presented {
                kind,
                key_id,
                secret_sha256: Sha256::digest(*secret).into(),
            },
        }
    }

    /// Reads a token. It is well formed then, and nothing more is known of it.
    ///
    /// # Errors
    /// [`TokenError`], before anything is looked up.
    pub fn parse(environment: Environment, text: &str) -> Result<Presented, TokenError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if text.len() != LENGTH || !text.bytes().all(allowed) {
            return Err(TokenError::Malformed);
        }
        let (checked, rest) = text.split_at(CHECKED);
        // By place and not by `_`: a secret may have that character itself.
        let parts = [(0, "hcp_"), (8, "_"), (10, "_"), (23, "_")];
        let in_place = parts
            .iter()
            .all(|(place, part)| checked[*place..].starts_with(part));
        if !in_place || !rest.starts_with('_') {
            return Err(TokenError::Malformed);
        }
        if rest[1..] != checksum(checked) {
            return Err(TokenError::Checksum);
        }
        let kind = match &checked[9..10] {
            "u" => CredentialKind::ApiToken,
            "a" => CredentialKind::AgentKey,
            "s" => CredentialKind::AgentSession,
            "w" => CredentialKind::PersonSession,
            "e" => CredentialKind::Enrolment,
            "i" => CredentialKind::Invitation,
            _ => return Err(TokenError::Malformed),
        };
        match Environment::parse(&checked[4..8]) {
            Some(env) if env == environment => {}
            Some(_) => return Err(TokenError::OtherEnvironment),
            None => return Err(TokenError::Malformed),
        }
        let key_id = KeyId::parse(&checked[11..23]).map_err(|_| TokenError::Malformed)?;
        let secret = BASE64URL_NOPAD
            .decode(&checked.as_bytes()[24..])
            .map(Zeroizing::new)
            .map_err(|_| TokenError::Malformed)?;
        Ok(Presented {
            kind,
            key_id,
            secret_sha256: Sha256::digest(&*secret).into(),
        })
    }

    /// Text with a checksum that fits, whatever it is.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn forge(checked: &str) -> String {
        format!("{checked}_{}", checksum(checked))
    }

    /// The text, in the open.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// The value of an `Authorization` header with it.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.expose())
    }
}

const fn letter(kind: CredentialKind) -> char {
    match kind {
        CredentialKind::ApiToken => 'u',
        CredentialKind::AgentKey => 'a',
        CredentialKind::AgentSession => 's',
        CredentialKind::PersonSession => 'w',
        CredentialKind::Enrolment => 'e',
        CredentialKind::Invitation => 'i',
        // What is signed with it stands for it: there is no such token, and none is read.
        CredentialKind::RelayKey => 'r',
    }
}

/// The CRC-32 of the text in six digits of base 62.
fn checksum(text: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    const KINDS: [CredentialKind; 6] = [
        CredentialKind::ApiToken,
        CredentialKind::AgentKey,
        CredentialKind::AgentSession,
        CredentialKind::PersonSession,
        CredentialKind::Enrolment,
        CredentialKind::Invitation,
    ];

    #[test]
    fn a_token_is_read_back_as_it_was_made() {
        let entropy = Entropy::seeded(1);
        for kind in KINDS {
            for _ in 0..50 {
                let token = Token::issue(Environment::Live, kind, &entropy);
                assert_eq!(token.expose().len(), LENGTH);
                assert_eq!(
                    Token::parse(Environment::Live, token.expose()),
                    Ok(token.presented.clone())
                );
                assert_eq!(
                    Token::parse(Environment::Test, token.expose()),
                    Err(TokenError::OtherEnvironment)
                );
            }
        }
        let parent = KeyId::parse("parentparent").unwrap();
        let session = Token::issue_session(Environment::Test, &parent, &entropy);
        assert!(session.expose().starts_with("hcp_test_s_parentparent_"));
        let handle = MemberHandle::parse("memberme").unwrap();
        let kind = CredentialKind::PersonSession;
        let session = Token::issue_for_member(Environment::Test, kind, &handle, &entropy);
        assert!(session.expose().starts_with("hcp_test_w_memberme"));
        assert_eq!(session.presented.key_id.member(), handle);
    }

    #[test]
    fn a_token_with_any_one_character_changed_is_refused() {
        let token = Token::issue(
            Environment::Test,
            CredentialKind::ApiToken,
            &Entropy::seeded(2),
        );
        let text = token.expose();
        for place in 0..text.len() {
            for other in ["x", "_", "0", "é"] {
                let changed = format!("{}{other}{}", &text[..place], &text[place + 1..]);
                if changed != text {
                    assert!(
                        Token::parse(Environment::Test, &changed).is_err(),
                        "{place}"
                    );
                }
            }
        }
    }

    #[test]
    fn junk_is_refused() {
        for junk in [
            "",
            "hcp_",
            "hcp_live_u_",
            &"_".repeat(LENGTH),
            &"x".repeat(10_000),
            "\u{202e}",
            &"é".repeat(37),
        ] {
            assert!(Token::parse(Environment::Live, junk).is_err(), "{junk}");
        }
    }

    #[test]
    fn debug_output_does_not_show_the_secret() {
        let token = Token::issue(
            Environment::Test,
            CredentialKind::AgentKey,
            &Entropy::seeded(3),
        );
        let shown = format!("{token:?}");
        assert!(!shown.contains(&token.expose()[24..67]));
        assert!(shown.contains(token.presented.key_id.as_str()));
    }

    #[test]
    fn the_checksum_is_that_of_crc_32_in_base_62() {
        // CRC-32 of `123456789` is 0xCBF43926, the check value of its catalogue entry.
        assert_eq!(checksum("123456789"), "3jZRME");
        assert_eq!(checksum(""), "000000");
    }
}

//! What looks like a credential: by how it begins, and by as much behind that as its issuer documents. A beginning alone is a
//! word, where a branch may well be called `npm_update` or `pypi-release`.

/// The marks of the first release, which are refused wherever they stand and whatever follows. None comes to them: no text that
/// was stored may become one that cannot be read.
const FIRST: [&str; 12] = [
    "hcp_live_",
    "hcp_test_",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "sk_live_",
    "AKIA",
    "-----BEGIN",
];

/// A kind of credential, and how to know it.
struct Mark {
    /// How it begins.
    prefix: &'static str,
    /// How many characters of it follow at least, where it begins a word and is written as its issuer writes it.
    least: usize,
    /// How many follow, where it is written in another case, or stands inside a word.
    length: usize,
    /// What these characters are, beside letters and digits.
    beside: &'static [u8],
}

const fn mark(prefix: &'static str, least: usize, length: usize, beside: &'static [u8]) -> Mark {
    Mark {
        prefix,
        least,
        length,
        beside,
    }
}

/// The marks, by issuer. `least` is 0 where the beginning of a word is no word of any language.
const MARKS: [Mark; 67] = [
    // This control plane's own.
    mark("hcp_live_", 0, 20, b"_-"),
    mark("hcp_test_", 0, 20, b"_-"),
    // GitHub: classic, OAuth, an app's user, an app's installation, refresh, fine-grained.
    mark("ghp_", 0, 36, b""),
    mark("gho_", 0, 36, b""),
    mark("ghu_", 0, 36, b""),
    mark("ghs_", 0, 36, b""),
    mark("ghr_", 0, 36, b""),
    mark("github_pat_", 22, 22, b""),
    // GitLab: personal, OAuth, deploy, runner, job, trigger, feed, mail, agent, workspace, SCIM, feature flags.
    mark("glpat-", 0, 20, b"_-"),
    mark("gloas-", 20, 64, b"_-"),
    mark("gldt-", 20, 20, b"_-"),
    mark("glrt-", 20, 20, b"_-"),
    mark("glrtr-", 20, 20, b"_-"),
    mark("glcbt-", 20, 20, b"_-"),
    mark("glptt-", 20, 40, b"_-"),
    mark("glft-", 20, 20, b"_-"),
    mark("glimt-", 20, 25, b"_-"),
    mark("glagent-", 40, 50, b"_-"),
    mark("glwt-", 20, 20, b"_-"),
    mark("glsoat-", 20, 20, b"_-"),
    mark("glffct-", 20, 20, b"_-"),
    // Atlassian: of an account, of a Bitbucket repository, a Bitbucket app password.
    mark("ATATT3", 20, 40, b"_=-"),
    mark("ATCTT3", 20, 40, b"_=-"),
    mark("ATBB", 32, 32, b""),
    // Slack: bots, people, workspaces, refresh, configuration, apps.
    mark("xoxa-", 0, 10, b"-"),
    mark("xoxb-", 0, 10, b"-"),
    mark("xoxc-", 0, 10, b"-"),
    mark("xoxd-", 0, 10, b"%-"),
    mark("xoxe-", 0, 10, b"-"),
    mark("xoxe.", 0, 10, b"-"),
    mark("xoxo-", 0, 10, b"-"),
    mark("xoxp-", 0, 10, b"-"),
    mark("xoxr-", 0, 10, b"-"),
    mark("xoxs-", 0, 10, b"-"),
    mark("xapp-1-A", 8, 20, b"-"),
    // HashiCorp: Vault's service, batch and recovery tokens, HCP Terraform's.
    mark("hvs.", 24, 24, b"_-"),
    mark("hvb.", 24, 24, b"_-"),
    mark("hvr.", 24, 24, b"_-"),
    mark(".atlasv1.", 60, 60, b"_=-"),
    // Google: access tokens, OAuth clients.
    mark("ya29.", 20, 20, b"_-"),
    mark("GOCSPX-", 28, 28, b"_-"),
    // Payments and signed webhooks.
    mark("sk_live_", 0, 24, b""),
    mark("sk_test_", 24, 24, b""),
    mark("rk_live_", 24, 24, b""),
    mark("rk_test_", 24, 24, b""),
    mark("whsec_", 24, 24, b"+/="),
    // Packages and images.
    mark("npm_", 36, 36, b""),
    mark("pypi-AgEIcHlwaS5vcmc", 20, 20, b"_-"),
    mark("pypi-AgENdGVzdC5weXBpLm9yZw", 20, 20, b"_-"),
    mark("rubygems_", 48, 48, b""),
    mark("dckr_pat_", 27, 27, b"_-"),
    mark("dckr_oat_", 27, 27, b"_-"),
    mark("AKCp", 69, 69, b""),
    // Continuous integration and infrastructure.
    mark("CCIPAT_", 40, 40, b"_"),
    mark("CCIPRJ_", 40, 40, b"_"),
    mark("bkua_", 40, 40, b""),
    mark("dop_v1_", 64, 64, b""),
    mark("doo_v1_", 64, 64, b""),
    mark("dor_v1_", 64, 64, b""),
    mark("dapi", 32, 32, b""),
    mark("pul-", 40, 40, b""),
    mark("glsa_", 32, 41, b"_"),
    mark("shpat_", 32, 32, b""),
    // Others.
    mark("sk-ant-api03-", 20, 40, b"_-"),
    mark("sk-ant-admin01-", 20, 40, b"_-"),
    // In the middle of every key of OpenAI's.
    mark("T3BlbkFJ", 20, 20, b"_-"),
    mark("AGE-SECRET-KEY-1", 58, 58, b""),
];

/// What is a word of its own, of exactly this length: beginnings that ordinary names have too.
const WORDS: [(&str, usize, &[u8]); 6] = [
    // AWS: access keys that last, are temporary, are a bearer's, are of a context.
    ("AKIA", 16, b""),
    ("ASIA", 16, b""),
    ("ABIA", 16, b""),
    ("ACCA", 16, b""),
    ("AIza", 35, b"_-"),
    ("SG.", 66, b"._-"),
];

/// Whether a text has anything in it that looks like a credential.
///
/// What is written as its issuer writes it is known by less than what is written in another case: such a text may have been
/// made lower-case on its way, and is then told from ordinary words by its whole length and by a digit.
pub fn looks_like_a_credential(text: &str) -> bool {
    let bytes = text.as_bytes();
    has_a_first_mark(text)
        || (0..bytes.len()).any(|at| {
            let is_word = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
            let rest = &bytes[at..];
            MARKS.iter().any(|mark| mark.is_at(rest, is_word))
                || (is_word && (is_whole_word(rest) || is_json_web_token(rest)))
        })
}

pub(super) fn has_a_first_mark(text: &str) -> bool {
    FIRST.iter().any(|mark| text.contains(mark))
}

impl Mark {
    fn is_at(&self, rest: &[u8], is_word: bool) -> bool {
        let Some((head, tail)) = begins(rest, self.prefix) else {
            return false;
        };
        let tail = run(tail, self.beside);
        let is_as_issued = is_word && head == self.prefix.as_bytes();
        if is_as_issued && tail.len() >= self.least {
            let is_random = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
            return self.least == 0 || tail.iter().any(is_random);
        }
        tail.len() >= self.length && has_digit(tail)
    }
}

fn is_whole_word(rest: &[u8]) -> bool {
    WORDS.iter().any(|(prefix, length, beside)| {
        let Some((head, tail)) = begins(rest, prefix) else {
            return false;
        };
        let tail = run(tail, beside);
        tail.len() == *length && (head == prefix.as_bytes() || has_digit(tail))
    })
}

/// Two parts at least, of which the first is the Base64 of `{"…`.
fn is_json_web_token(rest: &[u8]) -> bool {
    const LEAST: usize = 10;
    let Some((head, tail)) = begins(rest, "eyJ") else {
        return false;
    };
    let first = run(tail, b"_-");
    let Some((b".", second)) = tail[first.len()..].split_at_checked(1) else {
        return false;
    };
    let is_long = first.len() >= LEAST && run(second, b"_-").len() >= LEAST;
    // In another case it is one if the second part is the Base64 of `{"…` too.
    is_long && (head == b"eyJ" || (begins(second, "eyJ").is_some() && has_digit(first)))
}

/// The beginning as it stands, and what follows it.
fn begins<'a>(rest: &'a [u8], prefix: &str) -> Option<(&'a [u8], &'a [u8])> {
    rest.split_at_checked(prefix.len())
        .filter(|(head, _)| head.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// The letters, digits and what is allowed beside them, that a text begins with.
fn run<'a>(rest: &'a [u8], beside: &[u8]) -> &'a [u8] {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || beside.contains(byte);
    let end = rest.iter().position(|byte| !is_part(byte));
    &rest[..end.unwrap_or(rest.len())]
}

fn has_digit(tail: &[u8]) -> bool {
    tail.iter().any(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As much random text as a mark needs, all of whose characters every mark allows.
    fn random(length: usize) -> String {
        "Q7m2Zk9Xv4Bt6Ny8Rc3Wd5"
            .chars()
            .cycle()
            .take(length)
            .collect()
    }

    #[test]
    fn every_mark_is_known_where_its_issuer_writes_it_and_in_lower_case() {
        for Mark {
            prefix,
            least,
            length,
            ..
        } in MARKS
        {
            let short = format!("{prefix}{}", random(least));
            assert!(looks_like_a_credential(&short), "{short}");
            assert!(looks_like_a_credential(&format!("a/{short}")), "{short}");
            let whole = format!("{prefix}{}", random(length)).to_lowercase();
            assert!(looks_like_a_credential(&whole), "{whole}");
            assert!(looks_like_a_credential(&format!("x{whole}")), "{whole}");
            if least > 0 && !has_a_first_mark(prefix) {
                let cut = format!("{prefix}{}", random(least - 1));
                assert!(!looks_like_a_credential(&cut), "{cut}");
            }
        }
        for (prefix, length, _) in WORDS {
            let whole = format!("{prefix}{}", random(length));
            assert!(looks_like_a_credential(&whole), "{whole}");
            assert!(looks_like_a_credential(&whole.to_lowercase()), "{whole}");
        }
        for mark in FIRST {
            assert!(looks_like_a_credential(&format!("x{mark}")), "{mark}");
        }
    }

    #[test]
    fn a_json_web_token_is_known_by_its_parts() {
        let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl";
        let encrypted = "eyJhbGciOiJSU0EtT0FFUCJ9.OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJ";
        for text in [token, encrypted, &token.to_lowercase()] {
            assert!(looks_like_a_credential(text), "{text}");
            assert!(looks_like_a_credential(&format!("token={text}")), "{text}");
        }
        for ordinary in [
            "keyjournal-of-the-team.yaml-configuration",
            "eyJ",
            "eyJhbGciOiJIUzI1NiJ9",
        ] {
            assert!(!looks_like_a_credential(ordinary), "{ordinary}");
        }
    }

    #[test]
    fn ordinary_names_are_no_credentials() {
        for ordinary in [
            "main",
            "npm_update",
            "npm_update_of_all_packages_to_version_2026",
            "pypi-release",
            "task-proj-2026-migrate-all-the-services-to-the-new-cluster",
            "pypi-agenda-for-the-next-release-of-the-package-2026",
            "rubygems_upgrade",
            "GITHUB_PAT_ROTATION_2026",
            "whsec_rotation",
            "asia-pacific-northeast-1",
            "AsiaPacificInfrastructure2026",
            "fantasia2345672345672345",
            "zakia.benali",
            "aizawa-fixes-the-build-of-2026",
            "kaizala-integration-of-the-mobile-application-2026",
            "glagent-configuration-update-of-2026",
            "glrt-support",
            "xapp-frontend",
            "sg.example.com",
            "dapi-gateway",
            "pul-request-template",
            "archives.2026-01-01-and-all-that-was-before",
            "sk-proj-setup",
            "release/5f2a0c1e9b8d7f6a5e4d3c2b1a09f8e7d6c5b4a3",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "dependabot/npm_and_yarn/webpack-5.76.0",
            "renovate/docker.io-library-node-20.x",
        ] {
            assert!(!looks_like_a_credential(ordinary), "{ordinary}");
        }
    }

    /// The page for those who call names the issuers, and each prefix.
    #[test]
    fn the_documentation_has_every_mark() {
        let document = include_str!("../../../../docs/api.md");
        let marks = MARKS.iter().map(|mark| mark.prefix);
        let words = WORDS.iter().map(|(prefix, ..)| *prefix);
        for prefix in marks.chain(words).chain(FIRST).chain(["eyJ"]) {
            assert!(document.contains(&format!("`{prefix}`")), "{prefix}");
        }
    }
}

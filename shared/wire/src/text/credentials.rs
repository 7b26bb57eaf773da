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
    /// How it begins, in any case.
    prefix: &'static str,
    /// How many characters of it follow at least.
    length: usize,
    /// What these characters are, beside letters and digits.
    beside: &'static [u8],
}

const fn mark(prefix: &'static str, length: usize, beside: &'static [u8]) -> Mark {
    Mark {
        prefix,
        length,
        beside,
    }
}

/// The marks, by issuer.
const MARKS: [Mark; 66] = [
    // This control plane's own.
    mark("hcp_live_", 20, b"_-"),
    mark("hcp_test_", 20, b"_-"),
    // GitHub: classic, OAuth, an app's user, an app's installation, refresh, fine-grained.
    mark("ghp_", 36, b""),
    mark("gho_", 36, b""),
    mark("ghu_", 36, b""),
    mark("ghs_", 36, b""),
    mark("ghr_", 36, b""),
    mark("github_pat_", 22, b""),
    // GitLab: personal, OAuth, deploy, runner, job, trigger, feed, mail, agent, workspace, SCIM, feature flags.
    mark("glpat-", 20, b"_-"),
    mark("gloas-", 64, b"_-"),
    mark("gldt-", 20, b"_-"),
    mark("glrt-", 20, b"_-"),
    mark("glrtr-", 20, b"_-"),
    mark("glcbt-", 20, b"_-"),
    mark("glptt-", 40, b"_-"),
    mark("glft-", 20, b"_-"),
    mark("glimt-", 25, b"_-"),
    mark("glagent-", 50, b"_-"),
    mark("glwt-", 20, b"_-"),
    mark("glsoat-", 20, b"_-"),
    mark("glffct-", 20, b"_-"),
    // Atlassian: of an account, of a Bitbucket repository, a Bitbucket app password.
    mark("ATATT3", 40, b"_=-"),
    mark("ATCTT3", 40, b"_=-"),
    mark("ATBB", 32, b""),
    // Slack: bots, people, workspaces, refresh, configuration, apps.
    mark("xoxa-", 10, b"-"),
    mark("xoxb-", 10, b"-"),
    mark("xoxc-", 10, b"-"),
    mark("xoxd-", 10, b"%-"),
    mark("xoxe-", 10, b"-"),
    mark("xoxe.", 10, b"-"),
    mark("xoxp-", 10, b"-"),
    mark("xoxr-", 10, b"-"),
    mark("xoxs-", 10, b"-"),
    mark("xapp-1-A", 20, b"-"),
    // HashiCorp: Vault's service, batch and recovery tokens, HCP Terraform's.
    mark("hvs.", 24, b"_-"),
    mark("hvb.", 24, b"_-"),
    mark("hvr.", 24, b"_-"),
    mark(".atlasv1.", 60, b"_=-"),
    // Google: access tokens, OAuth clients.
    mark("ya29.", 20, b"_-"),
    mark("GOCSPX-", 28, b"_-"),
    // Payments and signed webhooks.
    mark("sk_live_", 24, b""),
    mark("sk_test_", 24, b""),
    mark("rk_live_", 24, b""),
    mark("rk_test_", 24, b""),
    mark("whsec_", 24, b"+/="),
    // Packages and images.
    mark("npm_", 36, b""),
    mark("pypi-AgEIcHlwaS5vcmc", 20, b"_-"),
    mark("pypi-AgENdGVzdC5weXBpLm9yZw", 20, b"_-"),
    mark("rubygems_", 48, b""),
    mark("dckr_pat_", 27, b"_-"),
    mark("dckr_oat_", 27, b"_-"),
    mark("AKCp", 69, b""),
    // Continuous integration and infrastructure.
    mark("CCIPAT_", 40, b"_"),
    mark("CCIPRJ_", 40, b"_"),
    mark("bkua_", 40, b""),
    mark("dop_v1_", 64, b""),
    mark("doo_v1_", 64, b""),
    mark("dor_v1_", 64, b""),
    mark("dapi", 32, b""),
    mark("pul-", 40, b""),
    mark("glsa_", 41, b"_"),
    mark("shpat_", 32, b""),
    // Others.
    mark("sk-ant-api03-", 40, b"_-"),
    mark("sk-ant-admin01-", 40, b"_-"),
    // In the middle of every key of OpenAI's.
    mark("T3BlbkFJ", 20, b"_-"),
    mark("AGE-SECRET-KEY-1", 58, b""),
];

/// What is a word of its own, of exactly this length: beginnings that ordinary names have too.
const WORDS: [Mark; 2] = [mark("AIza", 35, b"_-"), mark("SG.", 66, b"._-")];

/// AWS: access keys that last, are temporary, are a bearer's, are of a context.
const AWS: [&str; 4] = ["AKIA", "ASIA", "ABIA", "ACCA"];

/// How many characters of a key of AWS's follow its beginning.
const AWS_LENGTH: usize = 16;

/// How many letters and digits in a row are no word of a language, if there is a digit among them.
const RANDOM: usize = 16;

/// Whether a text has anything in it that looks like a credential.
///
/// Random characters are told from the words of a name, which people divide where issuers do not. A few credentials are not
/// told, where chance divided them like a name or gave them no digit: of 20 characters with `-` and `_` one in fifteen, and one
/// in three if the text was made lower-case on its way.
pub fn looks_like_a_credential(text: &str) -> bool {
    let bytes = text.as_bytes();
    has_a_first_mark(text)
        || (0..bytes.len()).any(|at| {
            let is_word = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
            let rest = &bytes[at..];
            MARKS.iter().any(|mark| mark.is_at(rest, false))
                || (is_word
                    && (WORDS.iter().any(|mark| mark.is_at(rest, true))
                        || is_key_of_aws(rest)
                        || is_json_web_token(rest)))
        })
}

pub(super) fn has_a_first_mark(text: &str) -> bool {
    FIRST.iter().any(|mark| text.contains(mark))
}

impl Mark {
    fn is_at(&self, rest: &[u8], is_whole: bool) -> bool {
        let Some((_, tail)) = begins(rest, self.prefix) else {
            return false;
        };
        let tail = run(tail, self.beside);
        let is_long = if is_whole {
            tail.len() == self.length
        } else {
            tail.len() >= self.length
        };
        // Slack divides what it issues itself.
        let least = self.length.min(RANDOM);
        let words = || tail.split(|byte| !byte.is_ascii_alphanumeric());
        is_long && words().any(|word| (word.len() >= least && has_digit(word)) || is_mixed(word))
    }
}

/// Letters of both cases, and one of them behind a digit: `Benchmark2024` is a word, `m2Zk` is none.
fn is_mixed(word: &[u8]) -> bool {
    word.iter().any(u8::is_ascii_uppercase)
        && word.iter().any(u8::is_ascii_lowercase)
        && word
            .windows(2)
            .any(|pair| pair[0].is_ascii_digit() && pair[1].is_ascii_alphabetic())
}

/// A word of Base32 in one case, with a digit in it: names of places and products begin like this too. One key of thirty has no
/// digit and is not known, unless it is an `AKIA` as issued, which is a mark of the first release.
fn is_key_of_aws(rest: &[u8]) -> bool {
    let word = run(rest, b"");
    let is_base32 = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'2'..=b'7');
    AWS.iter()
        .any(|prefix| begins(word, prefix).is_some_and(|(_, tail)| tail.len() == AWS_LENGTH))
        && word.iter().all(is_base32)
        && has_digit(word)
        && !(word.iter().any(u8::is_ascii_uppercase) && word.iter().any(u8::is_ascii_lowercase))
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

    /// As it is issued, in one case, and inside a word where that is no matter.
    #[test]
    fn every_mark_is_known_in_every_case_and_only_with_what_is_issued() {
        for Mark { prefix, length, .. } in MARKS.iter().chain(&WORDS) {
            let whole = format!("{prefix}{}", random(*length));
            for text in [whole.to_lowercase(), whole.to_uppercase(), whole] {
                assert!(looks_like_a_credential(&text), "{text}");
                assert!(looks_like_a_credential(&format!("a/{text}")), "{text}");
                let is_whole = WORDS.iter().any(|word| word.prefix == *prefix);
                let inside = looks_like_a_credential(&format!("x{text}"));
                assert_ne!(inside, is_whole, "{text}");
            }
            if !has_a_first_mark(prefix) {
                for length in [0, 1, length - 1] {
                    let cut = format!("{prefix}{}", random(length));
                    assert!(!looks_like_a_credential(&cut), "{cut}");
                }
                let name = format!("{prefix}{}", "name-of-2026-".repeat(6));
                assert!(!looks_like_a_credential(&name), "{name}");
            }
        }
        for mark in FIRST {
            assert!(looks_like_a_credential(&format!("x{mark}")), "{mark}");
        }
    }

    /// The tails stand apart from their beginnings, so that nothing that looks for credentials in files takes these for one.
    #[test]
    fn what_issuers_divide_is_known_too() {
        for parts in [
            "gldt- x-Yz3kQ_7mNb2vT9wLpR",
            "glrt- t1_Vb-8sKq2Lw9_xTz4Rm6P",
            "glcbt- 1a_Yz3kQ7mNb-2vT9wLpRsD",
            "glft- _3kQYz7mNb2vT9-wLpRx",
            "glimt- 4d8u1x0pm3v6z9q2k7s5t1y0b",
            "glagent- Nb2vT9wLpR-xYz3kQ7m_D5sKq2Lw9xTz4Rm6PVb8cHj1Ng0FyWe",
            "gloas- 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "ATATT3 xFfGF0T4-kQ7mNb2vT9wLpR_x5sKq2Lw9xTz4Rm6PVb8=1A2B3C4D",
            "xoxa- 2-416843729158-132049654",
            "xoxr- 416843729158-560996830112-Vb8sKq2Lw9xTz4Rm6PYz3kQ7",
            "xoxs- 416843729158-132049654-5609968301-e1b2c3d4f5",
            "xoxd- Qk9%2BYz3kQ7mNb2vT9wLpR%2FxTz4Rm6P%3D",
            "xapp-1-A 04ABCDE12F-4168437291582-9f86d081884c7d659a2feaa0c55ad015",
            "hvs. CAESIJ-3kQ7mNb2vT9_wLpRxYz5sKq2Lw9xTz4",
            "ya29. a0AfH6SM-Bx3kQ7mNb2vT9wLpR_xYz5sKq2Lw9xTz4",
            "GOCSPX- Nb2vT9wLp-RxYz3kQ7m_D5sKq2Lw",
            "whsec_ MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_ C2FV/sKq2Lw9+xTz4Rm6/PVb8cHj1Ng0=",
            "pypi-AgEIcHlwaS5vcmc CJDNlNjEzMzZhLWI0YzctNDEyZS04ZjE3LTlkMmM1YTdiMWUwNA",
            "dckr_pat_ Nb2vT9wLp-RxYz3kQ7m_D5sKq2L",
            "CCIPAT_ Nb2vT9wLpRxYz3kQ7mD5sK_9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
            "glsa_ Nb2vT9wLpRxYz3kQ7mD5sKq2Lw9xTz4R_1a2b3c4d",
            "sk-ant-api03- Nb2vT9wLp-RxYz3kQ7m_D5sKq2Lw9xTz4Rm6PVb8cHj1Ng0",
            "AIza SyNb2vT9wLp-RxYz3kQ7m_D5sKq2Lw9xTz4",
            "SG. Nb2vT9wLp-RxYz3kQ7m_D5.Lw9xTz4Rm6PVb8cHj1Ng0FyWeNb2vT9wLpRxYz3kQ7m",
            "JHkQ7mNbx3.atlasv1. Lw9xTz4Rm6PVb8cHj1Ng0FyWeNb2vT9wLpRxYz3kQ7mDLw9xTz4Rm6PVb8cHj1Ng",
            "sk-proj- Nb2vT9wLp-RxYz3kQ7mT3BlbkFJD5sKq2Lw9xTz4Rm6_PVb8",
        ] {
            let text = parts.replace(' ', "");
            assert!(looks_like_a_credential(&text), "{text}");
        }
    }

    #[test]
    fn a_key_of_aws_is_base32_in_one_case() {
        for prefix in AWS {
            for tail in ["IOSFODNN7EXAMPLE", "Q3EGRX5TYH2MLKZ4"] {
                let key = format!("{prefix}{tail}");
                for text in [key.to_lowercase(), format!("a/{key}"), key] {
                    assert!(looks_like_a_credential(&text), "{text}");
                    let longer = format!("{}q", text.to_lowercase());
                    assert!(!looks_like_a_credential(&longer), "{longer}");
                }
            }
        }
        assert!(looks_like_a_credential("AKIAIOSFODNNXEXAMPLE"));
        assert!(!looks_like_a_credential("ASIAIOSFODNNXEXAMPLE"));
        assert!(!looks_like_a_credential("ASIAIOSFODNN1EXAMPLE"));
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
            "asiapacificcluster01",
            "deploy/asianortheast1prod01",
            "AsiaPacificCluster01",
            "AsiaPacificCluster23",
            "ASIAPACIFICOPERATION",
            "accademiawebsite2026",
            "xoxo-valentines-page",
            "xoxe-2026-greeting",
            "feature/ghr_upgrade",
            "renovate/ghr_action-2.x",
            "ghu_",
            "glrt-2024-benchmark-results",
            "glrt-Benchmark2024-Results-All",
            "glft-JIRA-123-long-branch-name",
            "glft-2026-internationalization",
            "glimt-2026-ny-forside-for-appen",
            "xapp-1-add-monitoring-for-5g-cells",
            "dependabot/npm_and_yarn/webpack-5.76.0",
            "renovate/docker.io-library-node-20.x",
        ] {
            assert!(!looks_like_a_credential(ordinary), "{ordinary}");
        }
    }

    /// The page for those who call names the issuers, and each prefix with its length.
    #[test]
    fn the_documentation_has_every_mark() {
        let document = include_str!("../../../../docs/api.md");
        for Mark { prefix, length, .. } in MARKS.iter().chain(&WORDS) {
            let entry = format!("`{prefix}` {length}");
            assert!(document.contains(&entry), "{entry}");
        }
        for prefix in AWS.into_iter().chain(FIRST).chain(["eyJ"]) {
            assert!(document.contains(&format!("`{prefix}`")), "{prefix}");
        }
    }
}

//! What to run: a repository, a commit, and who wrote it.

use crate::text::{Invalid, check_printable, checked_text, invalid, refuse_credentials};
use serde::Serialize;

checked_text! {
    /// The address of a repository: `https://`, `ssh://`, `file://` or `user@host:path`, up to 256 characters, without
    /// a password, a query or a fragment.
    GitRepo, check_repo, { max_length = 256, example = "https://github.com/example/shop.git" }
}
checked_text! {
    /// The full SHA-1 or SHA-256 of a commit in lower-case hexadecimal.
    CommitSha, check_sha, { pattern = "^([0-9a-f]{40}|[0-9a-f]{64})$", example = "5f2a0c1e9b8d7f6a5e4d3c2b1a09f8e7d6c5b4a3" }
}
checked_text! {
    /// The branch or tag that the commit was taken from, up to 200 characters, as git allows them.
    GitRef, check_ref, { max_length = 200, example = "refs/heads/main" }
}
checked_text! {
    /// The commit's author: 1 to 100 printable characters.
    GitAuthor, |text| check_printable(text, 1, 100), { max_length = 100, example = "dev@example.com" }
}

fn check_repo(text: &str) -> Result<(), Invalid> {
    const WHAT: &str = "must be https://, ssh://, file:// or user@host:path, up to 256 characters";
    let plain = |byte: u8| {
        byte.is_ascii_graphic()
            && !matches!(
                byte,
                b'?' | b'#' | b'"' | b'\'' | b'`' | b'\\' | b'<' | b'>' | b'|' | b'$'
            )
    };
    // A leading dash would be an option to git; `ext::` and its kind would be a command.
    if text.len() > 256 || text.starts_with('-') || text.contains("::") || !text.bytes().all(plain)
    {
        return invalid(WHAT);
    }
    refuse_credentials(text)?;
    if let Some(rest) = text.strip_prefix("file://") {
        return if rest.starts_with('/') {
            Ok(())
        } else {
            invalid("file:// must have an absolute path")
        };
    }
    let (authority, user_allowed) = if let Some(rest) = text.strip_prefix("https://") {
        (rest.split('/').next().unwrap_or_default(), false)
    } else if let Some(rest) = text.strip_prefix("ssh://") {
        (rest.split('/').next().unwrap_or_default(), true)
    } else {
        if text.contains("://") {
            return invalid(WHAT);
        }
        match text.split_once(':') {
            Some((authority, path)) if authority.contains('@') && !path.is_empty() => {
                (authority, true)
            }
            Some(_) | None => return invalid(WHAT),
        }
    };
    let host = match authority.rsplit_once('@') {
        Some((user, host)) if user_allowed && !user.is_empty() && !user.contains(':') => host,
        Some(_) => return invalid("must not have a user or a password in it"),
        None => authority,
    };
    if host.is_empty() || host.starts_with('-') {
        invalid(WHAT)
    } else {
        Ok(())
    }
}

fn check_sha(text: &str) -> Result<(), Invalid> {
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if matches!(text.len(), 40 | 64) && text.bytes().all(hex) {
        Ok(())
    } else {
        invalid("must be the 40 or 64 lower-case hexadecimal digits of a commit")
    }
}

/// The rules of `git check-ref-format`, with ASCII only.
fn check_ref(text: &str) -> Result<(), Invalid> {
    let allowed = |byte: u8| {
        byte.is_ascii_graphic()
            && !matches!(
                byte,
                b'~' | b'^'
                    | b':'
                    | b'?'
                    | b'*'
                    | b'['
                    | b'\\'
                    | b'"'
                    | b'\''
                    | b'<'
                    | b'>'
                    | b'`'
                    | b'$'
            )
    };
    let component = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && !part.to_ascii_lowercase().ends_with(".lock")
    };
    let whole = !text.is_empty()
        && text.len() <= 200
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('.')
        && !text.contains("..")
        && !text.contains("@{")
        && text != "@";
    if whole && text.split('/').all(component) {
        refuse_credentials(text)
    } else {
        invalid(
            "must be a branch or tag name of up to 200 characters, as `git check-ref-format` allows it",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_over_the_three_transports_are_accepted() {
        for good in [
            "https://github.com/example/shop.git",
            "https://git.example.com:8443/a/b",
            "ssh://git@example.com/a/b.git",
            "git@example.com:a/b.git",
            "file:///srv/git/shop",
        ] {
            assert!(GitRepo::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn repositories_that_are_options_commands_or_bear_credentials_are_refused() {
        for bad in [
            "",
            "--upload-pack=touch",
            "ext::sh -c touch",
            "http://example.com/a",
            "https://user:secret@example.com/a",
            "https://token@example.com/a",
            "https://example.com/a?token=x",
            "https://example.com/a b",
            "ssh://-oProxyCommand=x/a",
            "git@-oProxyCommand:a",
            "file://relative",
            "https:///a",
            "/plain/path",
            "https://example.com/\u{202e}a",
        ] {
            assert!(GitRepo::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn refs_follow_git() {
        for good in ["main", "refs/heads/feature/x-1", "v1.0", "@a"] {
            assert!(GitRef::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "", "@", "-x", "a..b", "a//b", "a/.b", "a.lock", "a b", "<script>", "a\r\nb", "x@{1}",
            "a/",
        ] {
            assert!(GitRef::parse(bad).is_err(), "{bad}");
        }
    }
}

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use super::*;
use crate::identity::{Identity, TokenSource};
use secrecy::ExposeSecret;

fn configure(flags: &[&str], environment: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let line = ["hybrid-agent", "run"].iter().chain(flags);
    let matches = command().try_get_matches_from(line).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let run = matches.subcommand_matches("run").unwrap();
    configuration(run, &environment).map_err(|error| match error {
        Error::Config(faults) => faults,
        other => panic!("{other}"),
    })
}

fn secret(config: &Config) -> &str {
    config.identity.secret().unwrap().expose_secret()
}

#[test]
fn a_flag_goes_before_a_variable_before_the_file_before_the_default() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("agent.toml");
    std::fs::write(
        &file,
        "url = \"https://file\"\npool = \"file\"\njobs = 3\nlog_limit_mib = 7\nenv_allow = [\"A\", \"B\"]\n[tags]\nos = \"linux\"\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let environment = [
        ("HYBRID_AGENT_KEY", " k\n"),
        ("HYBRID_AGENT_POOL", "variable"),
        ("HYBRID_AGENT_JOBS", "4"),
        ("HYBRID_AGENT_CONFIG", file),
        ("HOME", "/people/x"),
    ];
    let config = configure(&["--jobs", "5"], &environment).unwrap();
    assert_eq!(config.jobs, 5);
    assert_eq!(config.pool.as_str(), "variable");
    assert_eq!(config.url, "https://file");
    assert_eq!(config.log_limit_bytes, 7 * 1024 * 1024);
    assert_eq!(config.stop_grace, Duration::from_secs(10));
    assert_eq!(config.env_allow, ["A", "B"]);
    assert_eq!(config.tags["os"], "linux");
    assert_eq!(secret(&config), "k");
    assert_eq!(
        config.work_dir,
        Path::new("/people/x/.local/state/hybrid-agent/work")
    );
    assert!(
        !config
            .environment
            .contains_key(OsStr::new("HYBRID_AGENT_KEY"))
    );
}

#[test]
fn every_fault_of_every_source_is_listed_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("agent.toml");
    std::fs::write(&file, "urll = \"x\"\njobs = \"3\"\nkey = \"hush\"\n").unwrap();
    let flags = [
        "--config",
        file.to_str().unwrap(),
        "--tags",
        "linux",
        "--stop-grace-seconds",
        "99",
        "--pool",
        "A B",
    ];
    let faults = configure(&flags, &[("HYBRID_AGENT_LOG_LIMIT_MIB", "many")]).unwrap_err();
    let text = faults.join("\n");
    for part in [
        "no field `urll`",
        "jobs: must be a whole number",
        "no field `key`",
        "tags: `linux` must be name=value",
        "stop_grace_seconds: must be a whole number from 0 to 20",
        "log_limit_mib: must be a whole number",
        "pool: ",
        "url: ",
        "key: is empty; set HYBRID_AGENT_KEY",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("hush"));
}

#[test]
fn a_key_file_named_by_a_flag_goes_before_the_variable() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, "from-file\n").unwrap();
    let flags = [
        "--url",
        "https://x",
        "--pool",
        "p",
        "--key-file",
        file.to_str().unwrap(),
    ];
    let config = configure(&flags, &[("HYBRID_AGENT_KEY", "from-variable")]).unwrap();
    assert_eq!(secret(&config), "from-file");
    assert!(
        configure(&["--key-file", "/no/such/file"], &[])
            .unwrap_err()
            .join(" ")
            .contains("key_file: /no/such/file")
    );
}

#[test]
fn an_enrolment_token_comes_from_its_variable_or_a_file_and_jobs_do_not_see_it() {
    let basic = [
        "--url",
        "https://x",
        "--pool",
        "p",
        "--identity",
        "enrolment",
    ];
    let environment = [("HYBRID_AGENT_ENROLMENT_TOKEN", " once\n")];
    let config = configure(&basic, &environment).unwrap();
    assert!(matches!(config.identity, Identity::Enrolment(_)));
    assert_eq!(secret(&config), "once");
    let name = OsStr::new("HYBRID_AGENT_ENROLMENT_TOKEN");
    assert!(!config.environment.contains_key(name));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "from-file\n").unwrap();
    let mut flags = basic.to_vec();
    flags.extend(["--enrolment-file", file.to_str().unwrap()]);
    assert_eq!(
        secret(&configure(&flags, &environment).unwrap()),
        "from-file"
    );
    let faults = configure(&basic, &[("HYBRID_AGENT_KEY", "a key")]).unwrap_err();
    assert_eq!(
        faults,
        ["enrolment token: is empty; set HYBRID_AGENT_ENROLMENT_TOKEN or name an enrolment_file"]
    );
}

#[test]
fn a_workloads_tokens_are_made_for_the_audience_of_its_organisation() {
    let workload = |flags: &[&str]| {
        let basic = ["--url", "https://ci.example.com/", "--pool", "p"];
        let flags: Vec<_> = basic.iter().chain(flags).copied().collect();
        configure(&flags, &[]).map(|config| match config.identity {
            Identity::Workload(workload) => (workload.source, workload.audience),
            other => panic!("{other:?}"),
        })
    };
    let acme = "https://ci.example.com/agents/acme".to_owned();
    let file = TokenSource::File("/var/run/secrets/tokens/hybrid-agent".into());
    for (name, source) in [
        ("aws", TokenSource::Aws),
        ("gcp", TokenSource::Gcp),
        ("github", TokenSource::GitHub),
        ("kubernetes", file),
    ] {
        let found = workload(&["--identity", name, "--tenant", "acme"]);
        assert_eq!(found.unwrap(), (source, acme.clone()));
    }
    let found = workload(&[
        "--identity",
        "file",
        "--token-file",
        "/t",
        "--audience",
        "a",
    ]);
    assert_eq!(
        found.unwrap(),
        (TokenSource::File("/t".into()), "a".to_owned())
    );
    let found = workload(&[
        "--identity",
        "azure",
        "--azure-resource",
        "api://x",
        "--tenant",
        "y",
    ]);
    assert_eq!(found.unwrap(), (TokenSource::Azure, "api://x".to_owned()));
    let (basic, token) = (
        [
            "--url",
            "https://x",
            "--pool",
            "p",
            "--identity",
            "github",
            "--tenant",
            "y",
        ],
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    );
    let config = configure(&basic, &[(token, "t")]).unwrap();
    assert!(!config.environment.contains_key(OsStr::new(token)));
    for (flags, fault) in [
        (vec!["--identity", "gcp"], "audience: is missing"),
        (
            vec!["--identity", "gcp", "--tenant", "A B"],
            "tenant: must be",
        ),
        (
            vec!["--identity", "azure", "--tenant", "acme"],
            "azure_resource: is missing",
        ),
        (
            vec!["--identity", "file", "--tenant", "acme"],
            "token_file: is missing",
        ),
        (
            vec!["--identity", "spiffe"],
            "identity: must be one of key, enrolment",
        ),
    ] {
        let faults = workload(&flags).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains(fault), "{faults:?}");
    }
}

#[test]
fn the_help_is_consistent_and_the_documentation_lists_every_setting() {
    command().debug_assert();
    let docs = include_str!("../../../docs/agent.md");
    for setting in &SETTINGS {
        let flag = format!("`--{}`", setting.name.replace('_', "-"));
        assert!(docs.contains(&flag), "docs/agent.md does not list {flag}");
        assert!(
            docs.contains(&format!("`{}`", variable(setting.name))),
            "{}",
            setting.name
        );
    }
}

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use super::*;
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
    assert_eq!(config.key.expose_secret(), "k");
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
    assert_eq!(config.key.expose_secret(), "from-file");
    assert!(
        configure(&["--key-file", "/no/such/file"], &[])
            .unwrap_err()
            .join(" ")
            .contains("key_file: /no/such/file")
    );
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

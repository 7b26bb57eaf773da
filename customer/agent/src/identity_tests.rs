#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use super::*;

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn from_file(path: &std::path::Path) -> Prover {
    Prover::new(Identity::Workload(Workload {
        audience: "https://ci.example.com/agents/acme".to_owned(),
        source: TokenSource::File(path.to_owned()),
        addresses: MetadataAddresses::default(),
        environment: Environment::new(),
    }))
    .unwrap()
}

async fn text(prover: &Prover) -> Result<String, NoProof> {
    let proof = prover.proof().await?;
    Ok(proof.expose_secret().to_owned())
}

#[tokio::test]
async fn a_key_is_a_proof_as_often_as_it_is_needed() {
    let prover = Prover::new(Identity::Key(secret("k"))).unwrap();
    for _ in 0..3 {
        let proof = prover.proof().await.unwrap();
        assert_eq!(proof.expose_secret(), "k");
        prover.accepted(&proof);
    }
    assert_eq!(prover.refused(&secret("k")), Refusal::Final);
}

#[tokio::test]
async fn an_enrolment_token_is_sent_until_it_is_answered_and_then_never_again() {
    let prover = Prover::new(Identity::Enrolment(secret("once"))).unwrap();
    let proof = prover.proof().await.unwrap();
    prover.unanswered(&proof);
    assert_eq!(text(&prover).await, Ok("once".to_owned()));
    prover.accepted(&proof);
    assert_eq!(text(&prover).await, Err(NoProof::Any));
    let prover = Prover::new(Identity::Enrolment(secret("once"))).unwrap();
    assert_eq!(prover.refused(&proof), Refusal::Final);
    assert_eq!(text(&prover).await, Err(NoProof::Any));
}

#[tokio::test]
async fn a_token_of_a_file_is_sent_once_and_the_file_read_until_it_has_another() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let prover = from_file(&file);
    let Err(NoProof::Yet(reason)) = text(&prover).await else {
        panic!("there is no file yet");
    };
    assert!(reason.contains("No such file"), "{reason}");
    std::fs::write(&file, "a.b.c\n").unwrap();
    assert_eq!(text(&prover).await, Ok("a.b.c".to_owned()));
    prover.accepted(&secret("a.b.c"));
    assert!(matches!(text(&prover).await, Err(NoProof::Yet(_))));
    std::fs::write(&file, "d.e.f").unwrap();
    assert_eq!(text(&prover).await, Ok("d.e.f".to_owned()));
    for junk in [
        "",
        "a.b",
        "a.b.c.d",
        "a b.c.d",
        "a.b.\u{e9}",
        &"x.".repeat(9000),
    ] {
        std::fs::write(&file, junk).unwrap();
        let Err(NoProof::Yet(reason)) = text(&prover).await else {
            panic!("{junk} is no token");
        };
        assert_eq!(reason, "what was handed out is no JSON Web Token");
    }
}

#[tokio::test]
async fn fresh_tokens_are_refused_three_times_before_the_agent_believes_it() {
    let directory = tempfile::tempdir().unwrap();
    let prover = from_file(&directory.path().join("token"));
    // The first try was not answered: that the token is refused now says only that it was taken then.
    prover.unanswered(&secret("a.a.a"));
    assert_eq!(prover.refused(&secret("a.a.a")), Refusal::TryAnother);
    assert_eq!(prover.refused(&secret("b.b.b")), Refusal::TryAnother);
    assert_eq!(prover.refused(&secret("b.b.b")), Refusal::TryAnother);
    assert_eq!(prover.refused(&secret("c.c.c")), Refusal::TryAnother);
    assert_eq!(prover.refused(&secret("d.d.d")), Refusal::Final);
    prover.accepted(&secret("e.e.e"));
    assert_eq!(prover.refused(&secret("f.f.f")), Refusal::TryAnother);
}

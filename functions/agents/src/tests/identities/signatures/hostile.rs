//! Requests that are each wrong in one way, beside what makes them right.

use super::*;

/// A request with what is wrong with it.
struct Hostile {
    what: &'static str,
    headers: Headers,
    body: Value,
}

/// A request as it should be, and the one that is altered.
struct Original {
    key: Signing,
    draft: Draft,
    headers: Headers,
}

impl Original {
    fn new(key: Signing) -> Self {
        let draft = draft(NONCE);
        let headers = headers(&key.key_id, &draft, &key.sign(&draft));
        Self {
            key,
            draft,
            headers,
        }
    }

    fn with(&self, what: &'static str, headers: Headers) -> Hostile {
        Hostile {
            what,
            headers,
            body: self.draft.body.clone(),
        }
    }

    /// The same request, but something else was signed.
    fn signed_as(&self, what: &'static str, change: fn(&mut Draft)) -> Hostile {
        let mut signed = self.draft.clone();
        change(&mut signed);
        self.by(what, &self.key.key_id, &self.key.sign(&signed))
    }

    /// The same request with that signature, as if by that key.
    fn by(&self, what: &'static str, key_id: &str, signature: &[u8]) -> Hostile {
        self.with(what, headers(key_id, &self.draft, signature))
    }

    /// The same request with its headers changed.
    fn changed(&self, what: &'static str, change: impl FnOnce(&mut Headers)) -> Hostile {
        let mut headers = self.headers.clone();
        change(&mut headers);
        self.with(what, headers)
    }
}

/// Something else was signed than was sent.
fn signed_otherwise(original: &Original) -> Vec<Hostile> {
    let mut body = original.draft.body.clone();
    body["max_concurrent_jobs"] = json!(3);
    let sent = Hostile {
        what: "the body is changed",
        headers: original.headers.clone(),
        body,
    };
    vec![
        sent,
        original.signed_as("another method is signed", |d| d.method = "GET"),
        original.signed_as("another host is signed", |d| d.host = "ci.example.org"),
        original.signed_as("another path is signed", |d| {
            d.path = "/api/agents/register/";
        }),
        original.signed_as("a query is signed", |d| d.query = "a=b"),
        original.signed_as("another body is signed", |d| d.body = json!({})),
        original.signed_as("another time is signed", |d| d.timestamp.push('0')),
        original.signed_as("another nonce is signed", |d| d.nonce.push('0')),
    ]
}

/// Somebody else signed, in another way, or only a little.
async fn signed_by_others(world: &World, original: &Original) -> Vec<Hostile> {
    let other = signing_key(world, false, 6).await;
    let by_hmac = signing_key(world, true, 7).await;
    let own = original.key.key_id.as_str();
    let good = original.key.sign(&original.draft);
    let mac = by_hmac.sign(&original.draft);
    let agent_key = world.key.get(18..30).unwrap();
    let public = Ed25519::from_bytes(&original.key.secret).verifying_key();
    let confused = Signing {
        secret: public.to_bytes(),
        is_hmac: true,
        ..original.key.clone()
    };
    let confused = confused.sign(&original.draft);
    vec![
        original.by("by another's key", &other.key_id, &good),
        original.by("by an unknown key", "nobodyknowsx", &good),
        original.by("by an agent key's id", agent_key, &good),
        original.by("by another algorithm", &by_hmac.key_id, &good),
        original.by("by the public key as an HMAC's", own, &confused),
        original.by("by an HMAC cut off", &by_hmac.key_id, &mac[..16]),
        original.by("by an empty HMAC", &by_hmac.key_id, &[]),
        original.by("by a signature rewritten", own, &rewritten(&good)),
        original.by("by a signature of zeros", own, &[0; 64]),
    ]
}

/// Headers that are there twice, not at all, or beside others.
fn with_other_headers(world: &World, original: &Original) -> Vec<Hostile> {
    let mut all = Vec::new();
    for (place, what) in ["host", "key id", "time", "nonce", "signature"]
        .into_iter()
        .enumerate()
    {
        all.push(original.changed(what, |headers| headers.push(headers[place].clone())));
        if place > 0 {
            all.push(original.changed(what, |headers| drop(headers.remove(place))));
        }
    }
    all.extend([
        original.changed("sent to another host", |headers| {
            headers[0].1 = "ci.example.org".to_owned();
        }),
        original.changed("with an agent key as well", |headers| {
            headers.push(("authorization", world.key.clone()));
        }),
        original.changed("with a person's cookie as well", |headers| {
            headers.push(("cookie", "__Host-hcp_session=x".to_owned()));
        }),
        original.changed("a signature without its padding", |headers| {
            headers[4].1 = headers[4].1.trim_end_matches('=').to_owned();
        }),
    ]);
    all
}

/// The same signature with the order of the group added to S.
fn rewritten(signature: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut rewritten = signature.to_vec();
    let mut carry = 0;
    for (byte, order) in rewritten[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        [*byte, _] = sum.to_le_bytes();
        carry = sum >> 8;
    }
    rewritten
}

#[tokio::test]
async fn whatever_is_wrong_with_a_signature_the_answer_is_that_of_none() {
    let world = world().await;
    let original = Original::new(signing_key(&world, false, 5).await);
    let mut hostile = signed_otherwise(&original);
    hostile.extend(signed_by_others(&world, &original).await);
    hostile.extend(with_other_headers(&world, &original));
    assert!(hostile.len() >= 25);
    let refusal = world.refusal().await;
    let before = world.dump().await;
    for Hostile {
        what,
        headers,
        body,
    } in &hostile
    {
        assert_eq!(send(&world, headers, body).await, refusal, "{what}");
    }
    assert_eq!(world.dump().await, before);
    // That nothing else was wrong with them.
    let good = send(&world, &original.headers, &original.draft.body).await;
    good.bearer();
}

//! Stores for this crate's tests, on the embedded engine and, where one runs, on AWS's DynamoDB Local.

use crate::{
    Acceptance, Creation, CredentialKind, Identity, KeyId, MemberHandle, Membership, NewInvitation,
    NewOrganisation, NewPerson, NewPersonSession, PersonSession, Presented, SignedIn, Store,
    Tables, TenantScope, WriteId,
};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Region};
use domain::Timestamp;
use embedded_dynamodb::Engine;
use std::sync::atomic::{AtomicU64, Ordering};
use wire::audit::{Action, Detail, Draft, Outcome};
use wire::{Role, SessionId, ShortText, TenantId, UserId};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The engines that tests run on, each with tables of their own.
pub(crate) async fn stores() -> Vec<(&'static str, Store)> {
    let mut stores = vec![(
        "embedded",
        on(&Engine::memory().unwrap().client(), Tables::default()),
    )];
    if let Ok(url) = std::env::var("HYBRID_TEST_DYNAMODB_LOCAL") {
        static TESTS: AtomicU64 = AtomicU64::new(0);
        let number = TESTS.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("s{}-{number}-", std::process::id());
        stores.push((
            "DynamoDB Local",
            on(&dynamodb_local(url), Tables::with_prefix(&prefix)),
        ));
    }
    for (_, store) in &stores {
        store.create_tables().await.unwrap();
    }
    stores
}

pub(crate) fn on(client: &Client, tables: Tables) -> Store {
    Store::new(client.clone(), tables, telemetry::Meter::default())
}

fn dynamodb_local(url: String) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "tests"))
        .endpoint_url(url)
        .build();
    Client::from_conf(config)
}

pub(crate) fn tenant(name: &str) -> TenantScope {
    TenantScope::new(TenantId::parse(name).unwrap())
}

/// What is to be recorded of a change that was made.
pub(crate) fn draft(action: Action, resource: &str) -> Draft {
    Draft {
        at: NOW,
        actor: "token:aaaaaaaaaaaa".to_owned(),
        credential_id: Some("aaaaaaaaaaaa".to_owned()),
        action: action.as_str().to_owned(),
        resource: resource.to_owned(),
        outcome: Outcome::Done,
        before_sha256: None,
        after_sha256: None,
        request_id: Some("request-1".to_owned()),
        address: Some("192.0.2.1".to_owned()),
        detail: Detail::new(),
    }
}

/// A source of numbers that differ, for write ids and picks.
pub(crate) fn random() -> [u8; 8] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // An odd multiplier spreads the counter over all bits and stays one to one.
    NEXT.fetch_add(1, Ordering::Relaxed)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .to_le_bytes()
}

/// Random bytes of any number, which differ each time.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    for chunk in bytes.chunks_mut(8) {
        // The low bytes of one draw are close to those of the next.
        let mut drawn = random();
        drawn.reverse();
        chunk.copy_from_slice(&drawn[..chunk.len()]);
    }
    bytes
}

/// What somebody of that name brings who signs in.
pub(crate) fn new_person(name: &str) -> (Identity, NewPerson) {
    let identity = Identity::new("https://idp.example.com", name).unwrap();
    let text = ShortText::parse(name).unwrap();
    let new = NewPerson {
        user_id: UserId::new(NOW, bytes()),
        display_name: text.clone(),
        organisation: NewOrganisation {
            tenant: TenantId::organisation(NOW, bytes()),
            name: text,
            handle: MemberHandle::new(bytes()),
        },
    };
    (identity, new)
}

/// Somebody of that name signs in.
pub(crate) async fn sign_in(store: &Store, name: &str) -> SignedIn {
    let (identity, new) = new_person(name);
    store
        .sign_in(&identity, &new, NOW, &write_id())
        .await
        .unwrap()
}

pub(crate) fn write_id() -> WriteId {
    WriteId::new(random())
}

/// An invitation into the tenant that nobody's role bounds, and what its bearer presents.
pub(crate) fn new_invitation(role: Role) -> (NewInvitation, Presented) {
    let presented = Presented {
        kind: CredentialKind::Invitation,
        key_id: KeyId::new(bytes()),
        secret_sha256: bytes(),
    };
    let new = NewInvitation {
        key_id: presented.key_id.clone(),
        secret_sha256: presented.secret_sha256,
        role,
        created_by: "test".to_owned(),
        creator: None,
        expires_at: NOW.plus_seconds(7 * 24 * 3600),
    };
    (new, presented)
}

/// Makes a person a member of the tenant.
pub(crate) async fn join(
    store: &Store,
    tenant: &TenantScope,
    person: &SignedIn,
    role: Role,
) -> Membership {
    let (new, presented) = new_invitation(role);
    let created = store
        .tenant(tenant)
        .create_invitation(&new, NOW, &write_id())
        .await
        .unwrap();
    assert_eq!(created, Creation::Created);
    let handle = MemberHandle::new(bytes());
    let accepted = store
        .person(&person.scope)
        .accept_invitation(&presented, &handle, NOW, &write_id())
        .await
        .unwrap();
    let Acceptance::Joined(membership) = accepted else {
        panic!("{accepted:?}");
    };
    membership
}

/// Opens a session, and gives what its bearer presents.
pub(crate) async fn open_session(
    store: &Store,
    person: &SignedIn,
    membership: &Membership,
    now: Timestamp,
) -> (PersonSession, Presented) {
    let presented = Presented {
        kind: CredentialKind::PersonSession,
        key_id: KeyId::of_member(&membership.handle, bytes()),
        secret_sha256: bytes(),
    };
    let new = NewPersonSession {
        session_id: SessionId::new(now, bytes()),
        key_id: presented.key_id.clone(),
        secret_sha256: presented.secret_sha256,
        user_agent: None,
        address: None,
    };
    let session = store
        .person(&person.scope)
        .create_session(membership, &new, now)
        .await
        .unwrap();
    (session, presented)
}

//! From somebody whom a provider knows to a session.

use crate::browser::Browser;
use crate::providers::Known;
use auth::{Action, Actor, Api, Audited, Author, Change, OrProblem, Resource, Token};
use store::{
    CredentialKind, MemberHandle, Membership, NewOrganisation, NewPerson, NewPersonSession, Person,
    PersonScope, PersonSession, Presented, Subject,
};
use web::Problem;
use wire::{SessionId, TenantId, UserId};

/// A session that has just begun, and whose.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) token: Token,
    pub(crate) session: PersonSession,
    pub(crate) membership: Membership,
}

/// Signs in whom a provider knows: the first time as a new person. Whoever is in no organisation gets one of their own. The
/// session is in the organisation that they have been in for longest.
pub(crate) async fn sign_in(
    api: &Api,
    known: Known,
    browser: Browser,
) -> Result<(Person, Begun), Problem> {
    let now = api.now();
    let new = NewPerson {
        user_id: UserId::new(now, api.entropy.bytes()),
        organisation: NewOrganisation {
            tenant: TenantId::organisation(now, api.entropy.bytes()),
            name: known.display_name.clone(),
            handle: MemberHandle::new(api.entropy.bytes()),
        },
        display_name: known.display_name,
    };
    let signed_in = api
        .store
        .sign_in(&known.identity, &new, now, &api.write_id())
        .await
        .or_problem()?;
    if let Some(made) = &signed_in.made {
        record_organisation(api, made).await;
    }
    let Some(membership) = signed_in.memberships.into_iter().next() else {
        tracing::error!("somebody was signed in who is in no organisation");
        return Err(Problem::internal());
    };
    let begun = begin_session(api, &signed_in.scope, membership, browser).await?;
    Ok((signed_in.person, begun))
}

/// An organisation comes to be together with its owner, so there is no record to write an intent to before. What cannot be
/// recorded has happened nevertheless.
async fn record_organisation(api: &Api, membership: &Membership) {
    let author = Author::new(&membership.scope, actor(&membership.user_id), None);
    let resource = Resource::new("organisation", membership.scope.tenant());
    let created = async { Ok(Audited::Changed((), Change::new())) };
    let recorded = api
        .audited(author, (Action::OrganisationCreate, resource), created)
        .await;
    if let Err(problem) = recorded {
        tracing::error!(%problem, "an organisation has come to be without a record of it");
    }
}

fn actor(user_id: &UserId) -> Actor {
    Actor::User(user_id.to_string())
}

/// A session that is to be, with a secret that is new whatever the browser had before.
pub(crate) fn new_session(
    api: &Api,
    membership: &Membership,
    browser: Browser,
) -> (Token, NewPersonSession) {
    let token = Token::issue_for_member(
        api.environment,
        CredentialKind::PersonSession,
        &membership.handle,
        &api.entropy,
    );
    let new = NewPersonSession {
        session_id: SessionId::new(api.now(), api.entropy.bytes()),
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        user_agent: browser.user_agent,
        address: browser.address,
    };
    (token, new)
}

/// Who is named as the author of a session: the person, in the organisation that it is for.
pub(crate) fn author(membership: &Membership, session_id: &SessionId) -> Author {
    Author::new(
        &membership.scope,
        actor(&membership.user_id),
        Some(session_id.to_string()),
    )
}

async fn begin_session(
    api: &Api,
    person: &PersonScope,
    membership: Membership,
    browser: Browser,
) -> Result<Begun, Problem> {
    let (token, new) = new_session(api, &membership, browser);
    let resource = Resource::new("session", &new.session_id);
    let create = async {
        let session = api
            .store
            .person(person)
            .create_session(&membership, &new, api.now())
            .await
            .or_problem()?;
        let change = Change::new().with("role", membership.role);
        Ok(Audited::Changed(session, change))
    };
    let session = api
        .audited(
            author(&membership, &new.session_id),
            (Action::SessionCreate, resource),
            create,
        )
        .await?;
    Ok(Begun {
        token,
        session,
        membership,
    })
}

/// Ends the session that a browser has sent along to its sign-in, if it is a good one, on the record of the organisation that
/// it was for.
pub(crate) async fn end_before(api: &Api, before: &Presented) -> Result<(), Problem> {
    let verified = api.store.authenticate(before, api.now()).await;
    let Some(verified) = verified.or_problem()? else {
        return Ok(());
    };
    let Subject::Person {
        person, session_id, ..
    } = &verified.subject
    else {
        return Ok(());
    };
    let whose = actor(person.user_id());
    let author = Author::new(&verified.scope, whose, Some(session_id.to_string()));
    let end = async {
        end_presented(api, before).await?;
        Ok(Audited::Changed((), Change::new()))
    };
    let resource = Resource::new("session", session_id);
    api.audited(author, (Action::SessionEnd, resource), end)
        .await
}

/// Ends the session that a request bears.
pub(crate) async fn end_presented(api: &Api, presented: &Presented) -> Result<(), Problem> {
    api.store
        .end_presented_session(presented)
        .await
        .or_problem()
}

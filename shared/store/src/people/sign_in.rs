//! From an identity that a provider vouches for to the person.

use super::item::{IDENTITY, IdentityItem, ORGANISATION, OrganisationItem, PERSON, PersonItem};
use super::register::Joining;
use super::{Identity, MAX_TRIES, MemberHandle, Membership, Person, PersonScope};
use crate::call::{from_item, key, string};
use crate::schema::TableKind;
use crate::{Store, StoreError, TenantScope, WriteId, keys};
use aws_sdk_dynamodb::types::TransactWriteItem;
use wire::{Role, ShortText, TenantId, Timestamp, UserId};

const OPERATION: &str = "sign_in";

/// What is made when somebody signs in who was not known.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// The person's id.
    pub user_id: UserId,
    /// What the provider says they are called.
    pub display_name: ShortText,
    /// Their own organisation.
    pub organisation: NewOrganisation,
}

/// An organisation that is to be, with its first owner.
#[derive(Debug, Clone)]
pub struct NewOrganisation {
    /// Its tenant.
    pub tenant: TenantId,
    /// What it is called.
    pub name: ShortText,
    /// The handle of the owner's membership.
    pub handle: MemberHandle,
}

/// Somebody who has signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Who.
    pub person: Person,
    /// The right to their own data.
    pub scope: PersonScope,
    /// What they are in, oldest first. Never empty.
    pub memberships: Vec<Membership>,
    /// The membership of the organisation that has just been made for them, if one was.
    pub made: Option<Membership>,
}

impl Store {
    /// The person with that identity. The first time, the person, an organisation and their membership as its owner come to
    /// be in one transaction, so that of two first times at once one is first and the other finds what it made. Somebody
    /// who was removed from everything gets a new organisation.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. [`StoreError::Busy`] also if one of the random ids is taken: then take others.
    pub async fn sign_in(
        &self,
        identity: &Identity,
        new: &NewPerson,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<SignedIn, StoreError> {
        for _ in 0..MAX_TRIES {
            let known = self.user_of(identity).await?;
            let user_id = known.clone().unwrap_or_else(|| new.user_id.clone());
            let scope = PersonScope::new(user_id);
            if known.is_some() {
                let person = self.rename_person(&scope, &new.display_name).await?;
                let memberships = self.person(&scope).memberships().await?;
                if !memberships.is_empty() {
                    let made = memberships
                        .iter()
                        .find(|it| *it.scope.tenant() == new.organisation.tenant);
                    return Ok(SignedIn {
                        made: made.cloned(),
                        person,
                        scope,
                        memberships,
                    });
                }
            }
            // Whoever dies after this leaves an entry that maintenance finds nothing under.
            let tenant = self.create_tenant(&new.organisation.tenant, now).await?;
            let mut writes = self.new_organisation(&tenant, &scope, &new.organisation, now)?;
            if known.is_some() {
                writes.push(self.count_organisation(scope.user_id(), 1)?);
            } else {
                writes.extend(self.new_person(identity, new, now)?);
            }
            // Whatever became of it, the next turn finds it.
            self.transact(OPERATION, writes, write_id).await?;
        }
        Err(StoreError::Busy {
            operation: OPERATION,
            reason: "others got in the way, or a random id is taken".to_owned(),
        })
    }

    async fn user_of(&self, identity: &Identity) -> Result<Option<UserId>, StoreError> {
        let partition = keys::identity(&identity.sha256());
        let item = self.read_people(OPERATION, partition, IDENTITY).await?;
        let item: Option<IdentityItem> = item.map(|item| from_item(OPERATION, item)).transpose()?;
        Ok(item.map(|item| item.user_id))
    }

    fn new_person(
        &self,
        identity: &Identity,
        new: &NewPerson,
        now: Timestamp,
    ) -> Result<[TransactWriteItem; 2], StoreError> {
        let known = IdentityItem {
            issuer: identity.issuer.clone(),
            subject: identity.subject.clone(),
            user_id: new.user_id.clone(),
        };
        let person = PersonItem {
            user_id: new.user_id.clone(),
            display_name: new.display_name.clone(),
            created_ms: now.as_millis(),
            organisations: 1,
        };
        let identity = key(keys::identity(&identity.sha256()), IDENTITY);
        let person_key = key(keys::person(&new.user_id), PERSON);
        Ok([
            self.put_new_of_people(OPERATION, identity, &known)?,
            self.put_new_of_people(OPERATION, person_key, &person)?,
        ])
    }

    fn new_organisation(
        &self,
        tenant: &TenantScope,
        owner: &PersonScope,
        new: &NewOrganisation,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let organisation = OrganisationItem {
            title: new.name.clone(),
            created_ms: now.as_millis(),
            owners: 1,
            members: 1,
            revision: 1,
        };
        let joining = Joining {
            tenant,
            user_id: owner.user_id(),
            handle: &new.handle,
            role: Role::Owner,
            now,
        };
        let mut writes = self.new_membership(OPERATION, joining)?;
        let item_key = key(tenant.organisation(), ORGANISATION);
        writes.push(self.put_new_of_people(OPERATION, item_key, &organisation)?);
        Ok(writes)
    }

    /// The person, called as their provider says now.
    async fn rename_person(
        &self,
        scope: &PersonScope,
        display_name: &ShortText,
    ) -> Result<Person, StoreError> {
        let Some(person) = self.person(scope).person().await? else {
            return Err(StoreError::unreadable(
                OPERATION,
                format_args!("an identity of {}, who is not there", scope.user_id()),
            ));
        };
        if person.display_name == *display_name {
            return Ok(person);
        }
        let update = self
            .client
            .update_item()
            .table_name(self.tables.name(TableKind::People))
            .set_key(Some(key(keys::person(scope.user_id()), PERSON)))
            .update_expression("SET display_name = :called")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":called", string(display_name.as_str()));
        self.update_if(OPERATION, update).await?;
        Ok(Person {
            display_name: display_name.clone(),
            ..person
        })
    }
}

//! Who is in an organisation, and as what.

use super::accept::may_decide_on;
use super::item::{
    MembershipItem, ORGANISATION, OrganisationItem, PERSON, PersonItem, PointerItem,
};
use super::register::{membership_key, register_key};
use super::writes::step;
use super::{MAX_TRIES, MemberHandle};
use crate::call::{Item, from_item, key, number, string, to_item};
use crate::schema::{SK, TableKind};
use crate::transaction::Transacted;
use crate::{StoreError, TenantStore, WriteId, keys};
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, TransactWriteItem};
use std::collections::HashMap;
use wire::{Role, ShortText, Timestamp, UserId};

const READ: &str = "read_members";
const CHANGE: &str = "change_member";

/// How many members a page has at most: DynamoDB gives so many items at a time.
const MAX_PAGE: u32 = 100;

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// What it is called.
    pub name: ShortText,
    /// How many owners it has.
    pub owners: u64,
    /// How many members it has, owners among them.
    pub members: u64,
}

/// Somebody in an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// The person.
    pub user_id: UserId,
    /// What they are called.
    pub display_name: ShortText,
    /// What they are.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
    /// What the key ids of their sessions and tokens begin with.
    pub handle: MemberHandle,
    /// How often the membership was written.
    pub revision: u64,
    pub(crate) write_id: Option<String>,
}

/// A page of members.
#[derive(Debug, Clone, Default)]
pub struct MemberPage {
    /// The members, the persons who signed in last first.
    pub members: Vec<Member>,
    /// Where the next page begins; none at the end of the list.
    pub next: Option<UserId>,
}

/// What became of a change of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberOutcome {
    /// It is done. Of one who was removed: as they were.
    Changed(Member),
    /// Somebody else has changed the member since it was seen; this is what is there. Whether the caller may do what they
    /// ask for has to be looked at anew.
    Stale(Member),
    /// Nobody may take the last owner away.
    LastOwner,
    /// Whoever asks for it may not, as they are now.
    NotAllowed,
    /// There is no such member any more.
    Missing,
}

impl TenantStore<'_> {
    /// The organisation; none for a tenant that people are not in.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn organisation(&self) -> Result<Option<Organisation>, StoreError> {
        let item = self
            .store
            .read_people(READ, self.scope.organisation(), ORGANISATION)
            .await?;
        let item: Option<OrganisationItem> = item.map(|item| from_item(READ, item)).transpose()?;
        Ok(item.map(|item| Organisation {
            name: item.title,
            owners: item.owners,
            members: item.members,
        }))
    }

    /// Lets people be invited into a tenant that nobody made by signing in. It stays as it is if it is an organisation already.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn ensure_organisation(
        &self,
        name: &ShortText,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "ensure_organisation";
        let organisation = OrganisationItem {
            title: name.clone(),
            created_ms: now.as_millis(),
            owners: 0,
            members: 0,
            revision: 1,
        };
        let mut item = to_item(OPERATION, &organisation)?;
        item.extend(key(self.scope.organisation(), ORGANISATION));
        // Whoever wrote it: the item says the same.
        let write_id = WriteId::new([0; 8]);
        self.store
            .put_new_item(OPERATION, TableKind::People, item, &write_id)
            .await?;
        Ok(())
    }

    /// The member.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn member(&self, user_id: &UserId) -> Result<Option<Member>, StoreError> {
        let register = register_key(self.scope, user_id);
        let register = self
            .store
            .get_consistent(READ, TableKind::People, register)
            .await?;
        let mut found = self.members_of(register.into_iter().collect()).await?;
        Ok(found.pop())
    }

    /// A page of the members, of 100 at most.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn members(
        &self,
        limit: u32,
        after: Option<&UserId>,
    ) -> Result<MemberPage, StoreError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::People))
            .key_condition_expression("pk = :members AND sk < :from")
            .expression_attribute_values(":members", string(self.scope.members()))
            // `~` comes after every id.
            .expression_attribute_values(":from", string(after.map_or("~", UserId::as_str)))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(READ, &error))?;
        self.store.count_read(READ, answer.consumed_capacity());
        let more = answer.last_evaluated_key().is_some();
        let register = answer.items.unwrap_or_default();
        let last = register.last().and_then(|item| item.get(SK)?.as_s().ok());
        let last = last.and_then(|id| UserId::parse(id).ok());
        Ok(MemberPage {
            members: self.members_of(register).await?,
            next: last.filter(|_| more),
        })
    }

    /// The members that entries of the register lead to. One who left a moment ago is not among them.
    async fn members_of(&self, register: Vec<Item>) -> Result<Vec<Member>, StoreError> {
        let entries = register
            .into_iter()
            .map(|item| from_item::<PointerItem>(READ, item))
            .collect::<Result<Vec<_>, _>>()?;
        let keys = entries.iter().map(|entry| membership_key(&entry.handle));
        let items = self
            .store
            .batch_get_consistent(READ, TableKind::People, keys.collect())
            .await?;
        let memberships = items
            .into_iter()
            .map(|item| from_item::<MembershipItem>(READ, item))
            .collect::<Result<Vec<_>, _>>()?;
        let keys = memberships
            .iter()
            .map(|membership| key(keys::person(&membership.user_id), PERSON));
        let items = self
            .store
            .batch_get_consistent(READ, TableKind::People, keys.collect())
            .await?;
        let mut names = HashMap::new();
        for item in items {
            let person: PersonItem = from_item(READ, item)?;
            names.insert(person.user_id, person.display_name);
        }
        let mut members: Vec<_> = memberships
            .into_iter()
            .filter_map(|item| {
                Some(Member {
                    display_name: names.remove(&item.user_id)?,
                    user_id: item.user_id,
                    role: item.role,
                    joined_at: Timestamp::from_millis(item.joined_ms),
                    handle: item.handle,
                    revision: item.revision,
                    write_id: item.write_id,
                })
            })
            .collect();
        members.sort_by(|left, right| right.user_id.cmp(&left.user_id));
        Ok(members)
    }

    /// Gives a member another role, if they still are as they were seen, and if `by` may: an owner where an owner comes or
    /// goes, else also an administrator. Without `by` nothing is looked at. The last owner stays one.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn set_role(
        &self,
        seen: &Member,
        role: Role,
        by: Option<&MemberHandle>,
        write_id: &WriteId,
    ) -> Result<MemberOutcome, StoreError> {
        if seen.role == role {
            return Ok(MemberOutcome::Changed(seen.clone()));
        }
        let mut writes = vec![self.store.update_of_people(
            membership_key(&seen.handle),
            "SET #role = :role, write_id = :write ADD revision :one",
            "tenant = :tenant AND user_id = :user AND revision = :seen",
            &[
                (":role", string(role.as_str())),
                (":write", string(write_id.as_str())),
                (":one", step(1)),
                (":tenant", string(self.scope.tenant().as_str())),
                (":user", string(seen.user_id.as_str())),
                (":seen", number(seen.revision)),
            ],
        )?];
        let owners = i64::from(role == Role::Owner) - i64::from(seen.role == Role::Owner);
        if owners != 0 {
            writes.push(self.store.count_in_organisation(self.scope, (0, owners))?);
        }
        let after = Member {
            role,
            revision: seen.revision + 1,
            write_id: Some(write_id.as_str().to_owned()),
            ..seen.clone()
        };
        let concerns = if role == Role::Owner { role } else { seen.role };
        let by = by.map(|by| (by, may_decide_on(concerns)));
        self.change_member((seen, after), by, writes, write_id)
            .await
    }

    /// Takes a member out of the organisation, if they still are as they were seen, and if `by` may: an owner if they are
    /// one, else also an administrator. Without `by`, as for whoever leaves, nothing is looked at. The last owner stays. Their
    /// sessions and tokens there end with it.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn remove_member(
        &self,
        seen: &Member,
        by: Option<&MemberHandle>,
        write_id: &WriteId,
    ) -> Result<MemberOutcome, StoreError> {
        let (user_id, handle) = (&seen.user_id, &seen.handle);
        let mut writes =
            self.store
                .without_membership(self.scope, user_id, handle, seen.revision)?;
        let owners = -i64::from(seen.role == Role::Owner);
        writes.push(self.store.count_in_organisation(self.scope, (-1, owners))?);
        let by = by.map(|by| (by, may_decide_on(seen.role)));
        match self
            .change_member((seen, seen.clone()), by, writes, write_id)
            .await?
        {
            // Whoever took them out: they are.
            MemberOutcome::Missing => Ok(MemberOutcome::Changed(seen.clone())),
            outcome @ (MemberOutcome::Changed(_)
            | MemberOutcome::Stale(_)
            | MemberOutcome::LastOwner
            | MemberOutcome::NotAllowed) => Ok(outcome),
        }
    }

    /// Writes the change on the condition that whoever asks for it has one of the roles that may: what they were when their
    /// request came in may be over.
    async fn change_member(
        &self,
        (seen, after): (&Member, Member),
        by: Option<(&MemberHandle, [Role; 2])>,
        mut writes: Vec<TransactWriteItem>,
        write_id: &WriteId,
    ) -> Result<MemberOutcome, StoreError> {
        // Of somebody's own membership, the condition on its revision says that they are as they were seen.
        let (own, others) = match by {
            Some((by, roles)) if *by == seen.handle => (Some(roles), None),
            by => (None, by),
        };
        if own.is_some_and(|roles| !roles.contains(&seen.role)) {
            return Ok(MemberOutcome::NotAllowed);
        }
        if let Some((by, roles)) = others {
            let tenant = self.scope.tenant().as_str();
            let check = self.store.check_role(membership_key(by), tenant, roles)?;
            writes.push(check);
        }
        for _ in 0..MAX_TRIES {
            match self
                .store
                .transact(CHANGE, writes.clone(), write_id)
                .await?
            {
                Transacted::Done => return Ok(MemberOutcome::Changed(after)),
                Transacted::Stale => {}
                Transacted::Conflict => continue,
            }
            let there = self.member(&seen.user_id).await?;
            return Ok(match there {
                None => MemberOutcome::Missing,
                Some(there) if there.handle != seen.handle => MemberOutcome::Missing,
                Some(there) if there.write_id.as_deref() == Some(write_id.as_str()) => {
                    MemberOutcome::Changed(there)
                }
                Some(there) if there.revision != seen.revision => MemberOutcome::Stale(there),
                Some(_) if !self.is_one_of(others).await? => MemberOutcome::NotAllowed,
                // The member is as it was seen, so what does not hold is the condition on the owners.
                Some(_) => MemberOutcome::LastOwner,
            });
        }
        Err(StoreError::Busy {
            operation: CHANGE,
            reason: "others kept changing the organisation".to_owned(),
        })
    }

    /// Whether the member has one of the roles now.
    async fn is_one_of(&self, by: Option<(&MemberHandle, [Role; 2])>) -> Result<bool, StoreError> {
        let Some((handle, roles)) = by else {
            return Ok(true);
        };
        let item = self
            .store
            .get_consistent(CHANGE, TableKind::People, membership_key(handle))
            .await?;
        let item: Option<MembershipItem> = item.map(|item| from_item(CHANGE, item)).transpose()?;
        Ok(item
            .is_some_and(|item| item.tenant == *self.scope.tenant() && roles.contains(&item.role)))
    }
}

//! The registry actor: takes changes one after the other, so that a database row, its photo and its place in
//! the gallery never disagree.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::prelude::{Actor, Context, Handler, ResponseFuture};
use bytes::Bytes;
use tokio::sync::Mutex;

use super::deps::{RegistryDeps, report_size};
use super::enrol::enrol_people;
use super::message::{
    CancelSwap, ChangeMembers, DeleteOutcome, DeletePeople, Drain, EditGroups, EditPermissions, EditedGroups,
    EditedRegistryGroups, EnrolOutcome, EnrolPeople, EnrolStranger, FindErased, FindPeople, ForgetPeople,
    GetPerson, GetPhoto, KnownStranger, ListGroups, ListPermissions, Members, PeoplePage, UseModel,
    WipePeople,
};
use super::{forget, groups, permissions, strangers, swap};
use crate::actors::blocking::run_blocking;
use crate::actors::wipe;
use crate::ports::store::Namespace;
use menshen_domain::erasure::ErasedPerson;
use menshen_domain::limits;
use menshen_domain::person::{PermissionGroup, Person};
use menshen_domain::registry_groups::RegistryGroup;
use menshen_domain::status::{ProtocolError, StatusCode};

pub struct RegistryActor {
    deps: RegistryDeps,
    /// Held by the change that is running.
    turn: Arc<Mutex<()>>,
}

impl RegistryActor {
    pub fn new(deps: RegistryDeps) -> Self {
        Self { deps, turn: Arc::new(Mutex::new(())) }
    }
}

impl Actor for RegistryActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::REGISTRY_MAILBOX);
        swap::backfill_embeddings(&self.deps);
    }
}

impl Handler<EnrolPeople> for RegistryActor {
    type Result = ResponseFuture<Vec<EnrolOutcome>>;

    fn handle(&mut self, message: EnrolPeople, _: &mut Self::Context) -> Self::Result {
        let (deps, turn) = (self.deps.clone(), Arc::clone(&self.turn));
        Box::pin(async move {
            let _turn = turn.lock().await;
            let outcomes = enrol_people(&deps, &message.requests).await;
            report_size(&deps.recogniser);
            outcomes
        })
    }
}

impl Handler<EnrolStranger> for RegistryActor {
    type Result = ResponseFuture<Result<Option<KnownStranger>, ProtocolError>>;

    fn handle(&mut self, EnrolStranger(shot): EnrolStranger, _: &mut Self::Context) -> Self::Result {
        let deps = self.deps.clone();
        Box::pin(async move {
            let known = strangers::enrol(&deps, shot).await;
            report_size(&deps.recogniser);
            known
        })
    }
}

impl Handler<DeletePeople> for RegistryActor {
    type Result = ResponseFuture<Vec<DeleteOutcome>>;

    fn handle(&mut self, message: DeletePeople, _: &mut Self::Context) -> Self::Result {
        let (deps, turn) = (self.deps.clone(), Arc::clone(&self.turn));
        Box::pin(async move {
            let _turn = turn.lock().await;
            let ids = message.ids.clone();
            let deleted = run_blocking(move || {
                let gone = forget::delete(&deps, &ids)?;
                let groups = |person: Person| (person.id, person.registry_groups);
                Ok(gone.into_iter().map(groups).collect::<HashMap<_, _>>())
            })
            .await;
            let outcome = |id: String| {
                let found = deleted.as_ref().map(|gone| gone.get(&id).cloned());
                let result = match &found {
                    Ok(Some(_)) => Ok(()),
                    Ok(None) => Err(ProtocolError::new(StatusCode::IdNotFound, "")),
                    Err(refusal) => Err((*refusal).clone()),
                };
                DeleteOutcome { id, groups: found.ok().flatten().unwrap_or_default(), result }
            };
            message.ids.into_iter().map(outcome).collect()
        })
    }
}

impl Handler<FindErased> for RegistryActor {
    type Result = ResponseFuture<Result<Vec<ErasedPerson>, ProtocolError>>;

    fn handle(&mut self, FindErased { ids }: FindErased, _: &mut Self::Context) -> Self::Result {
        let (deps, turn) = (self.deps.clone(), Arc::clone(&self.turn));
        Box::pin(async move {
            let _turn = turn.lock().await;
            run_blocking(move || forget::find(&deps, ids)).await
        })
    }
}

impl Handler<ForgetPeople> for RegistryActor {
    type Result = ResponseFuture<Result<(), ProtocolError>>;

    fn handle(&mut self, ForgetPeople { ids }: ForgetPeople, _: &mut Self::Context) -> Self::Result {
        let (deps, turn) = (self.deps.clone(), Arc::clone(&self.turn));
        Box::pin(async move {
            let _turn = turn.lock().await;
            run_blocking(move || forget::delete(&deps, &ids).map(drop)).await
        })
    }
}

impl Handler<EditPermissions> for RegistryActor {
    type Result = ResponseFuture<Result<EditedGroups, ProtocolError>>;

    fn handle(&mut self, message: EditPermissions, _: &mut Self::Context) -> Self::Result {
        let (deps, turn) = (self.deps.clone(), Arc::clone(&self.turn));
        Box::pin(async move {
            let _turn = turn.lock().await;
            run_blocking(move || Ok(permissions::edit(&deps, message))).await?
        })
    }
}

impl Handler<EditGroups> for RegistryActor {
    type Result = ResponseFuture<Result<EditedRegistryGroups, ProtocolError>>;

    fn handle(&mut self, message: EditGroups, _: &mut Self::Context) -> Self::Result {
        let (deps, turn) = (self.deps.clone(), Arc::clone(&self.turn));
        Box::pin(async move {
            let _turn = turn.lock().await;
            run_blocking(move || Ok(groups::edit(&deps, message))).await?
        })
    }
}

impl Handler<ChangeMembers> for RegistryActor {
    type Result = ResponseFuture<Result<Members, ProtocolError>>;

    fn handle(&mut self, message: ChangeMembers, _: &mut Self::Context) -> Self::Result {
        let (deps, turn) = (self.deps.clone(), Arc::clone(&self.turn));
        Box::pin(async move {
            let _turn = turn.lock().await;
            run_blocking(move || Ok(groups::change_members(&deps, message))).await?
        })
    }
}

impl Handler<ListGroups> for RegistryActor {
    type Result = ResponseFuture<Result<Vec<RegistryGroup>, ProtocolError>>;

    fn handle(&mut self, _: ListGroups, _: &mut Self::Context) -> Self::Result {
        let deps = self.deps.clone();
        Box::pin(run_blocking(move || groups::list(&deps)))
    }
}

impl Handler<WipePeople> for RegistryActor {
    type Result = ResponseFuture<Result<u64, ProtocolError>>;

    fn handle(&mut self, _: WipePeople, _: &mut Self::Context) -> Self::Result {
        let (deps, turn) = (self.deps.clone(), Arc::clone(&self.turn));
        Box::pin(async move {
            let _turn = turn.lock().await;
            run_blocking(move || {
                let _committing = deps.committing();
                deps.keys.destroy(Namespace::Registry)?;
                // Gone from here on; what is left is tidying, finished at the next start if need be.
                deps.recogniser.get().write().clear();
                report_size(&deps.recogniser);
                let count = wipe::finish_people(&*deps.keys, &*deps.store, &*deps.pictures)?;
                Ok(count)
            })
            .await
        })
    }
}

impl Handler<FindPeople> for RegistryActor {
    type Result = ResponseFuture<Result<PeoplePage, ProtocolError>>;

    fn handle(&mut self, message: FindPeople, _: &mut Self::Context) -> Self::Result {
        let store = Arc::clone(&self.deps.store);
        let FindPeople { group, skip, limit } = message;
        Box::pin(run_blocking(move || {
            let (total, people) = match group {
                None => (store.count()?, store.page_at(skip, limit)?),
                Some(group) => store.page_of_group(&group, skip, limit)?,
            };
            Ok(PeoplePage { total, people })
        }))
    }
}

impl Handler<GetPhoto> for RegistryActor {
    type Result = ResponseFuture<Result<Option<Bytes>, ProtocolError>>;

    fn handle(&mut self, GetPhoto { name }: GetPhoto, _: &mut Self::Context) -> Self::Result {
        let pictures = Arc::clone(&self.deps.pictures);
        Box::pin(run_blocking(move || Ok(pictures.get(Namespace::Registry, &name)?.map(Into::into))))
    }
}

impl Handler<GetPerson> for RegistryActor {
    type Result = ResponseFuture<Result<Option<Person>, ProtocolError>>;

    fn handle(&mut self, GetPerson { id }: GetPerson, _: &mut Self::Context) -> Self::Result {
        let store = Arc::clone(&self.deps.store);
        Box::pin(run_blocking(move || store.get(&id)))
    }
}

impl Handler<ListPermissions> for RegistryActor {
    type Result = ResponseFuture<Result<Vec<PermissionGroup>, ProtocolError>>;

    fn handle(&mut self, _: ListPermissions, _: &mut Self::Context) -> Self::Result {
        let deps = self.deps.clone();
        Box::pin(run_blocking(move || permissions::list(&deps)))
    }
}

impl Handler<UseModel> for RegistryActor {
    type Result = ResponseFuture<Result<(), ProtocolError>>;

    fn handle(&mut self, UseModel { wanted }: UseModel, _: &mut Self::Context) -> Self::Result {
        let (deps, turn) = (self.deps.clone(), Arc::clone(&self.turn));
        Box::pin(async move { swap::start(&deps, &turn, wanted) })
    }
}

impl Handler<CancelSwap> for RegistryActor {
    type Result = Result<(), ProtocolError>;

    fn handle(&mut self, _: CancelSwap, _: &mut Self::Context) -> Self::Result {
        swap::cancel(&self.deps.swap.status)
    }
}

impl Handler<Drain> for RegistryActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, _: &mut Self::Context) -> Self::Result {
        let turn = Arc::clone(&self.turn);
        self.deps.swap.stop.store(true, Ordering::Release);
        Box::pin(async move {
            // The running change finishes first.
            drop(turn.lock_owned().await);
        })
    }
}

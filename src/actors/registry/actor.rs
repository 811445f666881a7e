//! The registry actor: takes changes one after the other, so that a database row, its photo and its place in
//! the gallery never disagree.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::prelude::{Actor, Context, Handler, ResponseFuture};
use tokio::sync::Mutex;

use super::deps::{RegistryDeps, remove_photos, report_size};
use super::enrol::enrol_people;
use super::message::{
    CancelSwap, DeleteOutcome, DeletePeople, Drain, EnrolOutcome, EnrolPeople, EnrolStranger, FindPeople,
    GetPerson, KnownStranger, ListPermissions, PeoplePage, StoredPerson, SyncPermissions, UseModel,
    WipePeople,
};
use super::request::TooLong;
use super::{strangers, swap};
use crate::actors::blocking::run_blocking;
use crate::actors::wipe;
use crate::ports::store::Namespace;
use menshen_domain::limits;
use menshen_domain::person::PermissionGroup;
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
                let _committing = deps.committing();
                let gone = deps.store.delete(&ids)?;
                let recogniser = deps.recogniser.get();
                let mut gallery = recogniser.write();
                for person in &gone {
                    gallery.remove(&person.id);
                }
                drop(gallery);
                remove_photos(&*deps.pictures, &gone, &[]);
                report_size(&deps.recogniser);
                Ok(gone.into_iter().map(|person| person.id).collect::<std::collections::HashSet<_>>())
            })
            .await;
            let outcome = |id: String| {
                let result = match &deleted {
                    Ok(gone) if gone.contains(&id) => Ok(()),
                    Ok(_) => Err(ProtocolError::new(StatusCode::IdNotFound, "")),
                    Err(refusal) => Err(refusal.clone()),
                };
                DeleteOutcome { id, result }
            };
            message.ids.into_iter().map(outcome).collect()
        })
    }
}

impl Handler<SyncPermissions> for RegistryActor {
    type Result = ResponseFuture<Result<(), ProtocolError>>;

    fn handle(&mut self, message: SyncPermissions, _: &mut Self::Context) -> Self::Result {
        let (deps, turn) = (self.deps.clone(), Arc::clone(&self.turn));
        Box::pin(async move {
            TooLong::check_groups(&message.groups)
                .map_err(|error| ProtocolError::new(StatusCode::ParamError, error.to_string()))?;
            let _turn = turn.lock().await;
            run_blocking(move || deps.store.set_permission_groups(&message.groups)).await
        })
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

    fn handle(&mut self, FindPeople { skip, limit }: FindPeople, _: &mut Self::Context) -> Self::Result {
        let store = Arc::clone(&self.deps.store);
        Box::pin(run_blocking(move || {
            Ok(PeoplePage { total: store.count()?, people: store.page_at(skip, limit)? })
        }))
    }
}

impl Handler<GetPerson> for RegistryActor {
    type Result = ResponseFuture<Result<Option<StoredPerson>, ProtocolError>>;

    fn handle(&mut self, GetPerson { id }: GetPerson, _: &mut Self::Context) -> Self::Result {
        let deps = self.deps.clone();
        Box::pin(run_blocking(move || {
            let Some(person) = deps.store.get(&id)? else { return Ok(None) };
            let photo = match person.features.first() {
                Some(feature) => deps.pictures.get(Namespace::Registry, &feature.photo)?.map(Into::into),
                None => None,
            };
            Ok(Some(StoredPerson { person, photo }))
        }))
    }
}

impl Handler<ListPermissions> for RegistryActor {
    type Result = ResponseFuture<Result<Vec<PermissionGroup>, ProtocolError>>;

    fn handle(&mut self, _: ListPermissions, _: &mut Self::Context) -> Self::Result {
        let store = Arc::clone(&self.deps.store);
        Box::pin(run_blocking(move || store.permission_groups()))
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

//! The groups that devices are said to compare faces with: looked up by id, then by name.

use menshen_domain::device::DeviceConfig;
use menshen_domain::device_wish::DeviceWish;
use menshen_domain::permission_groups::{GroupFault, find};
use menshen_domain::person::{DEFAULT_PERMISSION_GROUP, PermissionGroup};
use menshen_domain::registry_groups::{self, RegistryGroup};
use menshen_domain::status::{ProtocolError, StatusCode};

/// All groups there are.
pub struct DeviceGroups {
    pub permissions: Vec<PermissionGroup>,
    pub registry: Vec<RegistryGroup>,
}

fn unknown(field: &str, fault: impl std::fmt::Display) -> ProtocolError {
    ProtocolError::new(StatusCode::LocalNotFound, format!("`{field}`: {fault}"))
}

impl DeviceGroups {
    /// Puts ids of permission groups and names of registry groups into a wish. What a device of `present` has already is known:
    /// a tool that sends back what it was shown is not refused.
    ///
    /// # Errors
    /// Names the group there is not.
    pub fn look_up(&self, wish: &mut DeviceWish, present: &[DeviceConfig]) -> Result<(), ProtocolError> {
        for key in wish.permission_groups.iter_mut().flatten() {
            let is_id = key == DEFAULT_PERMISSION_GROUP
                || self.permissions.iter().any(|group| group.id == *key)
                || present.iter().any(|device| device.permission_groups.contains(key));
            if is_id {
                continue;
            }
            match find(&self.permissions, key) {
                Ok(group) => key.clone_from(&group.id),
                Err(fault @ GroupFault::Unknown(_)) => return Err(unknown("permission_id", fault)),
                Err(fault) => {
                    return Err(ProtocolError::new(
                        StatusCode::LocalParamError,
                        format!("`permission_id`: {fault}"),
                    ));
                }
            }
        }
        if let Some(key) = &mut wish.registry_group {
            let is_there = present.iter().any(|device| device.registry_group == *key);
            match registry_groups::find(&self.registry, key) {
                Ok(group) => key.clone_from(&group.name),
                Err(_) if is_there => {}
                Err(fault) => return Err(unknown("group_id", fault)),
            }
        }
        Ok(())
    }

    /// The id of a registry group.
    pub fn id_of<'a>(&'a self, name: &'a str) -> &'a str {
        self.registry.iter().find(|group| group.name == name).map_or(name, |group| &group.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(permissions: &[&str], group: &str) -> DeviceWish {
        DeviceWish {
            permission_groups: Some(permissions.iter().map(|id| (*id).to_owned()).collect()),
            registry_group: Some(group.to_owned()),
            ..DeviceWish::default()
        }
    }

    #[test]
    fn groups_are_found_by_id_and_then_by_name() {
        let named = |id: &str, name: &str| PermissionGroup {
            id: id.to_owned(),
            name: name.to_owned(),
            ..PermissionGroup::undescribed(String::new())
        };
        let vip = RegistryGroup { id: "g1".to_owned(), ..RegistryGroup::undescribed("vip".to_owned()) };
        let groups = DeviceGroups {
            permissions: vec![named("1", "2"), named("2", "lab"), named("3", "x"), named("4", "x")],
            registry: registry_groups::with_used(vec![vip], []),
        };
        let present = [DeviceConfig {
            permission_groups: vec!["old".to_owned()],
            registry_group: "gone".to_owned(),
            ..DeviceConfig::plain("a", "a", "post")
        }];
        let look_up = |mut wish: DeviceWish| {
            groups.look_up(&mut wish, &present)?;
            Ok::<_, ProtocolError>((
                wish.permission_groups.unwrap_or_default(),
                wish.registry_group.unwrap_or_default(),
            ))
        };
        let (ids, group) = look_up(wish(&["2", "lab", "0", "old"], "g1")).unwrap();
        assert_eq!((ids, group.as_str()), (["2", "2", "0", "old"].map(str::to_owned).to_vec(), "vip"));
        for name in ["vip", "gone", "default_group"] {
            assert_eq!(look_up(wish(&[], name)).unwrap().1, name);
        }
        let none = look_up(wish(&["none"], "vip")).unwrap_err();
        assert!(none.code == StatusCode::LocalNotFound && none.detail.contains("permission_id"), "{none}");
        let none = look_up(wish(&[], "none")).unwrap_err();
        assert!(none.code == StatusCode::LocalNotFound && none.detail.contains("group_id"), "{none}");
        let two = look_up(wish(&["x"], "vip")).unwrap_err();
        assert!(two.code == StatusCode::LocalParamError && two.detail.contains("3 and 4"), "{two}");
        assert_eq!((groups.id_of("vip"), groups.id_of("gone")), ("g1", "gone"));
    }
}

//! What systemd tells of a unit when it is asked on the unit's bus (`org.freedesktop.systemd1(5)`). Nothing is listened to.

use std::collections::HashMap;
use std::path::PathBuf;

use jiff::Timestamp;
use zbus::{OwnedObjectPath, OwnedVariant, Variant};

use crate::shell::causes::causes;
use crate::shell::runtime::systemd::bus::{Bus, MANAGER, MANAGER_PATH, PROPERTIES, SERVICE, SYSTEMD, UNIT};

/// The properties of a unit and of its service.
#[derive(Debug, Default)]
pub(super) struct Properties(HashMap<String, OwnedVariant>);

impl Properties {
    /// Asks.
    pub(super) async fn of(bus: &Bus, unit: &str) -> Result<Self, String> {
        let connection = bus.connect().await.map_err(|error| causes(&error))?;
        let ask = async |path: &str, interface: &str, method: &str, about: &str| {
            connection.call_method(Some(SYSTEMD), path, Some(interface), method, &about).await
        };
        let told = async {
            let path: OwnedObjectPath = ask(MANAGER_PATH, MANAGER, "LoadUnit", unit).await?.body().deserialize()?;
            let mut told = HashMap::new();
            for interface in [UNIT, SERVICE] {
                let answer = ask(path.as_str(), PROPERTIES, "GetAll", interface).await?;
                told.extend(answer.body().deserialize::<HashMap<String, OwnedVariant>>()?);
            }
            Ok::<_, zbus::Error>(told)
        };
        told.await.map(Self).map_err(|error| causes(&error))
    }

    /// systemd writes what is not set as nothing.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| <&str>::try_from(value).ok()).filter(|text| !text.is_empty())
    }

    /// Whatever kind of number it is.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        match &**self.0.get(name)? {
            Variant::U64(number) => Some(*number),
            Variant::U32(number) => Some((*number).into()),
            Variant::I32(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// Microseconds since 1970; 0 for what never happened.
    pub(super) fn moment(&self, name: &str) -> Option<Timestamp> {
        let microseconds = self.number(name).filter(|at| *at > 0)?;
        Timestamp::from_microsecond(i64::try_from(microseconds).ok()?).ok()
    }

    /// A list of texts.
    pub(super) fn texts(&self, name: &str) -> Vec<&str> {
        let Some(Variant::Array(list)) = self.0.get(name).map(|value| &**value) else { return Vec::new() };
        list.iter().filter_map(|text| <&str>::try_from(text).ok()).collect()
    }

    /// `EnvironmentFile=`: where, and whether it may be missing.
    pub(super) fn environment_files(&self) -> Vec<(PathBuf, bool)> {
        let Some(Variant::Array(list)) = self.0.get("EnvironmentFiles").map(|value| &**value) else { return Vec::new() };
        let one = |file: &Variant<'_>| {
            let Variant::Structure(file) = file else { return None };
            let [path, may_be_missing] = file.fields() else { return None };
            Some((PathBuf::from(<&str>::try_from(path).ok()?), bool::try_from(may_be_missing).ok()?))
        };
        list.iter().filter_map(one).collect()
    }

    /// As if systemd had told these.
    #[cfg(test)]
    pub(super) fn told<const N: usize>(told: [(&str, Variant<'static>); N]) -> Self {
        let owned = |value: Variant<'static>| OwnedVariant::try_from(value).expect("no file is in it");
        Self(told.into_iter().map(|(name, value)| (name.to_owned(), owned(value))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_variables_are_named_with_whether_they_may_be_missing() {
        let files = Variant::from(vec![("/etc/a.env", false), ("/etc/b.env", true)]);
        let told = Properties::told([("EnvironmentFiles", files), ("Result", "".into())]);
        let expected = [("/etc/a.env", false), ("/etc/b.env", true)].map(|(path, may)| (PathBuf::from(path), may));
        assert_eq!(told.environment_files(), expected);
        assert_eq!((told.text("Result"), told.number("Result")), (None, None));
    }
}

//! `menshen bench attributes`: how steady guesses at age and gender are over pictures of one person, which needs no labels,
//! and how often the gender is right where there are labels.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Error, Result, anyhow};
use cpu_time::ThreadTime;
use serde_json::{Value, json};

use super::product::ready_models;
use menshen::config::Settings;
use menshen::evaluation::embeddings::{list_images, progress};
use menshen::evaluation::pairs::person_of;
use menshen::runtime::models::read_selection;
use menshen_domain::attributes::{AgeGroup, Attributes, Gender};
use menshen_sim::figures::print_figures;
use menshen_vision::photo::decode_scaled;

/// One line of JSON; `genders` is a CSV file with the columns person, gender.
pub fn attributes(images: &Path, genders: Option<&Path>, settings: &Settings) -> Result<()> {
    let labels = genders.map(read_genders).transpose()?;
    let names = list_images(images).map_err(Error::msg)?;
    let (models, loader) = ready_models(settings)?;
    let mut analyzer = models.load(&loader)?;
    let mut nets = read_selection(settings)?.attributes()?.load(&loader)?;
    let mut people: BTreeMap<&str, Vec<Attributes>> = BTreeMap::new();
    let (mut faceless, mut guessing_s) = (0usize, 0.0);
    for (index, name) in names.iter().enumerate() {
        let path = images.join(name);
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let (frame, _) = decode_scaled(&bytes).map_err(|error| anyhow!("{name}: {error}"))?;
        let faces = analyzer.detect(&frame).map_err(Error::msg)?;
        match faces.into_iter().max_by(|a, b| a.bbox.area().total_cmp(&b.bbox.area())) {
            None => faceless += 1,
            Some(face) => {
                let started = ThreadTime::now();
                let seen = nets.estimate(&frame, &face.landmarks)?;
                guessing_s += started.elapsed().as_secs_f64();
                people.entry(person_of(name)).or_default().push(seen);
            }
        }
        progress(index + 1, names.len());
    }
    let faces = names.len() - faceless;
    let mut line = json!({
        "bench": "attributes",
        "photos": names.len(),
        "photos_without_face": faceless,
        "people": people.len(),
        "cpu_ms_per_face": guessing_s * 1000.0 / faces.max(1) as f64,
        "age_model": settings.recognition.attributes.age_model,
        "gender_model": settings.recognition.attributes.gender_model,
        "optimised": !cfg!(debug_assertions),
    });
    note_steadiness(&mut line, &people);
    if let Some(labels) = &labels {
        note_gender(&mut line, &people, labels);
    }
    print_figures(&line);
    Ok(())
}

fn read_genders(path: &Path) -> Result<BTreeMap<String, Gender>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut labels = BTreeMap::new();
    for (index, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
        let (person, gender) = parse_label(line).with_context(|| {
            format!("{}:{}: expected person,gender with gender female or male", path.display(), index + 1)
        })?;
        labels.insert(person, gender);
    }
    Ok(labels)
}

fn parse_label(line: &str) -> Option<(String, Gender)> {
    let (person, gender) = line.split_once(',')?;
    let gender = match gender.trim() {
        "female" => Gender::Female,
        "male" => Gender::Male,
        _ => return None,
    };
    Some((person.trim().to_owned(), gender))
}

/// How far apart the guesses of one person's pictures lie, each person counting alike. The pictures of a person may be years
/// apart: the spread of ages is an upper bound.
fn note_steadiness(line: &mut Value, people: &BTreeMap<&str, Vec<Attributes>>) {
    let several: Vec<&Vec<Attributes>> = people.values().filter(|seen| seen.len() > 1).collect();
    line["people_with_several"] = json!(several.len());
    let ages = |seen: &[Attributes]| -> Vec<f64> {
        seen.iter().filter_map(|one| one.age).map(|age| f64::from(age.years)).collect()
    };
    let groups = |seen: &[Attributes]| -> Vec<AgeGroup> {
        seen.iter().filter_map(|one| one.age).map(|age| age.group).collect()
    };
    let genders = |seen: &[Attributes]| -> Vec<Gender> {
        seen.iter().filter_map(|one| one.gender).map(|guess| guess.gender).collect()
    };
    let apart: Vec<f64> =
        several.iter().filter_map(|seen| mean_over_pairs(&ages(seen), difference)).collect();
    let same_group: Vec<f64> =
        several.iter().filter_map(|seen| mean_over_pairs(&groups(seen), agreement)).collect();
    let same_gender: Vec<f64> =
        several.iter().filter_map(|seen| mean_over_pairs(&genders(seen), agreement)).collect();
    line["age_apart_years"] = json!(mean(&apart));
    line["age_group_agrees"] = json!(mean(&same_group));
    line["gender_agrees"] = json!(mean(&same_gender));
    // The same of any two pictures: what guesses that say nothing about the person would have.
    let all: Vec<Attributes> = people.values().flatten().copied().collect();
    line["age_apart_years_any_two"] = json!(mean_over_pairs(&ages(&all), difference));
    line["age_group_agrees_any_two"] = json!(mean_over_pairs(&groups(&all), agreement));
    line["gender_agrees_any_two"] = json!(mean_over_pairs(&genders(&all), agreement));
    let unanimous = same_gender.iter().filter(|share| **share >= 1.0).count();
    line["gender_unanimous"] = json!(share(unanimous, same_gender.len()));
}

/// How often the gender is that of the label, for women and for men.
fn note_gender(
    line: &mut Value,
    people: &BTreeMap<&str, Vec<Attributes>>,
    labels: &BTreeMap<String, Gender>,
) {
    for (gender, name) in [(Gender::Female, "women"), (Gender::Male, "men")] {
        let labelled = people.iter().filter(|(person, _)| labels.get(**person) == Some(&gender));
        let (mut who, mut right, mut all) = (0usize, 0usize, 0usize);
        for (_, seen) in labelled {
            who += 1;
            let guesses = seen.iter().filter_map(|one| one.gender);
            all += guesses.clone().count();
            right += guesses.filter(|guess| guess.gender == gender).count();
        }
        line[format!("labelled_{name}")] = json!(who);
        line[format!("labelled_{name}_photos")] = json!(all);
        line[format!("gender_right_{name}")] = json!(share(right, all));
    }
}

fn difference(a: f64, b: f64) -> f64 {
    (a - b).abs()
}

fn agreement<T: PartialEq>(a: T, b: T) -> f64 {
    f64::from(u8::from(a == b))
}

/// `None` where there is no pair.
fn mean_over_pairs<T: Copy>(values: &[T], compare: impl Fn(T, T) -> f64) -> Option<f64> {
    let pairs = values.iter().enumerate().flat_map(|(at, a)| values[at + 1..].iter().map(move |b| (*a, *b)));
    let (mut sum, mut count) = (0.0, 0usize);
    for (a, b) in pairs {
        sum += compare(a, b);
        count += 1;
    }
    (count > 0).then(|| sum / count as f64)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn share(part: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use menshen_domain::attributes::{AgeGuess, GenderGuess};

    fn seen(years: u8, gender: Gender) -> Attributes {
        Attributes {
            age: Some(AgeGuess { years, group: AgeGroup::of(years), confidence: 1.0 }),
            gender: Some(GenderGuess { gender, confidence: 1.0 }),
        }
    }

    fn people() -> BTreeMap<&'static str, Vec<Attributes>> {
        use Gender::{Female, Male};
        BTreeMap::from([
            ("a", vec![seen(30, Female), seen(34, Female), seen(41, Male)]),
            ("b", vec![seen(50, Male), seen(50, Male)]),
            ("c", vec![seen(20, Female)]),
        ])
    }

    #[test]
    fn everybody_with_several_pictures_counts_alike() {
        let mut line = json!({});
        note_steadiness(&mut line, &people());
        assert_eq!(line["people_with_several"], 2);
        // a: 4, 11 and 7 years apart; b: none.
        let apart = line["age_apart_years"].as_f64().unwrap();
        assert!((apart - 22.0 / 3.0 / 2.0).abs() < 1e-9, "{line}");
        // One of three pairs of a agrees, and the pair of b.
        let agrees = line["gender_agrees"].as_f64().unwrap();
        assert!((agrees - 2.0 / 3.0).abs() < 1e-9, "{line}");
        assert_eq!((&line["gender_unanimous"], &line["age_group_agrees"]), (&json!(0.5), &json!(agrees)));
    }

    #[test]
    fn any_two_pictures_are_compared_as_well_and_one_alone_is_not() {
        let mut line = json!({});
        note_steadiness(&mut line, &people());
        // Three women's and three men's guesses: 6 of 15 pairs agree.
        assert_eq!(line["gender_agrees_any_two"], 0.4, "{line}");
        let apart = line["age_apart_years_any_two"].as_f64().unwrap();
        assert!((apart - 217.0 / 15.0).abs() < 1e-9, "{line}");
        assert_eq!(mean_over_pairs(&[3.0], difference), None);
    }

    #[test]
    fn labels_are_read_and_who_has_none_is_left_out() {
        assert_eq!(parse_label("Ann_Lee, female"), Some(("Ann_Lee".to_owned(), Gender::Female)));
        assert!(["Ann_Lee", "Ann_Lee,f", ",", "a,female,x"].iter().all(|line| parse_label(line).is_none()));
        let labels = BTreeMap::from([("a".to_owned(), Gender::Female), ("b".to_owned(), Gender::Female)]);
        let mut line = json!({});
        note_gender(&mut line, &people(), &labels);
        assert_eq!((&line["labelled_women"], &line["labelled_women_photos"]), (&json!(2), &json!(5)));
        assert_eq!((&line["gender_right_women"], &line["gender_right_men"]), (&json!(0.4), &json!(null)));
    }
}

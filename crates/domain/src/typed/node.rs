//! A value as serde reads it: what a place takes is known before it is read.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::fault::{Found, TypeFault, Wanted, Wrong};

#[derive(Clone, Copy)]
pub(super) struct Node<'a>(pub &'a Value);

impl<'a> Node<'a> {
    fn wrong<T>(self, wanted: Wanted) -> Result<T, TypeFault> {
        Err(TypeFault::of(Wrong::Type { found: Found::of(self.0), wanted }))
    }

    fn list(self, wanted: Wanted) -> Result<&'a Vec<Value>, TypeFault> {
        self.0.as_array().map_or_else(|| self.wrong(wanted), Ok)
    }

    fn table(self) -> Result<&'a Map<String, Value>, TypeFault> {
        self.0.as_object().map_or_else(|| self.wrong(Wanted::Table), Ok)
    }
}

macro_rules! whole {
    ($($method:ident $type:ty, $visit:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
            // A number like 5.0 is whole.
            let whole = self.0.as_number().and_then(|number| whole_of(number)).and_then(|n| <$type>::try_from(n).ok());
            match whole {
                Some(number) => visitor.$visit(number),
                #[allow(clippy::cast_lossless, clippy::cast_possible_wrap, reason = "bounds of every whole type fit")]
                None => self.wrong(Wanted::Whole(<$type>::MIN as i64, <$type>::MAX as u64)),
            }
        }
    )*};
}

fn whole_of(number: &Number) -> Option<i128> {
    let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    whole.or_else(|| number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 1e15).map(|n| n as i128))
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = TypeFault;

    whole! {
        deserialize_i8 i8, visit_i8;
        deserialize_i16 i16, visit_i16;
        deserialize_i32 i32, visit_i32;
        deserialize_i64 i64, visit_i64;
        deserialize_u8 u8, visit_u8;
        deserialize_u16 u16, visit_u16;
        deserialize_u32 u32, visit_u32;
        deserialize_u64 u64, visit_u64;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(on) => visitor.visit_bool(*on),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (None, Some(number), _) => visitor.visit_i64(number),
                (None, None, number) => visitor.visit_f64(number.unwrap_or_default()),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(list) => visitor.visit_seq(Entries { list: list.iter().enumerate() }),
            Value::Object(table) => visitor.visit_map(Keys { table: table.iter(), value: None }),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
        self.0.as_bool().map_or_else(|| self.wrong(Wanted::Switch), |on| visitor.visit_bool(on))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
        self.0.as_f64().map_or_else(|| self.wrong(Wanted::Number), |number| visitor.visit_f64(number))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
        match self.0 {
            Value::String(text) => visitor.visit_borrowed_str(text),
            _ => self.wrong(Wanted::Text),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, TypeFault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
        visitor.visit_seq(Entries { list: self.list(Wanted::List)?.iter().enumerate() })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, TypeFault> {
        let list = self.list(Wanted::ListOf(count))?;
        if list.len() == count {
            visitor.visit_seq(Entries { list: list.iter().enumerate() })
        } else {
            self.wrong(Wanted::ListOf(count))
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, TypeFault> {
        self.deserialize_tuple(count, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
        visitor.visit_map(Keys { table: self.table()?.iter(), value: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypeFault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypeFault> {
        match self.0 {
            Value::String(word) => visitor.visit_enum(Word(word)),
            _ => self.wrong(Wanted::OneOf(words)),
        }
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct identifier ignored_any
    }
}

struct Entries<'a> {
    list: std::iter::Enumerate<std::slice::Iter<'a, Value>>,
}

impl<'de> SeqAccess<'de> for Entries<'de> {
    type Error = TypeFault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, TypeFault> {
        let Some((place, value)) = self.list.next() else { return Ok(None) };
        seed.deserialize(Node(value)).map(Some).map_err(|fault| fault.inside(place.to_string()))
    }
}

struct Keys<'a> {
    table: serde_json::map::Iter<'a>,
    value: Option<(&'a String, &'a Value)>,
}

impl<'de> MapAccess<'de> for Keys<'de> {
    type Error = TypeFault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, TypeFault> {
        self.value = self.table.next();
        let Some((key, _)) = self.value else { return Ok(None) };
        seed.deserialize(StrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, TypeFault> {
        let Some((key, value)) = self.value else { return Err(TypeFault::of(Wrong::Other(String::new()))) };
        seed.deserialize(Node(value)).map_err(|fault| fault.inside(key))
    }
}

/// A word of an enumeration; none has values inside.
struct Word<'a>(&'a str);

impl<'de> EnumAccess<'de> for Word<'de> {
    type Error = TypeFault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), TypeFault> {
        Ok((seed.deserialize(StrDeserializer::new(self.0))?, self))
    }
}

impl<'de> VariantAccess<'de> for Word<'de> {
    type Error = TypeFault;

    fn unit_variant(self) -> Result<(), TypeFault> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, TypeFault> {
        Node(&Value::Null).wrong(Wanted::Table)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, TypeFault> {
        Node(&Value::Null).wrong(Wanted::Table)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, TypeFault> {
        Node(&Value::Null).wrong(Wanted::Table)
    }
}

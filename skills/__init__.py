"""Operations procedures as tested code: schema, validation, rehearsal, runs, review and promotion (spec: Skills)."""

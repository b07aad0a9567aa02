"""Results in the forms that the field's tools read, one module a form."""

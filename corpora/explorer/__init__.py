"""A page in the browser that explores models: ``conec explore`` and ``simec explore``.

A server on this machine serves a page and answers its questions. What can be asked about a kind of
model is defined by an `explorer.Explorer` in the package of the model; this package holds what all
of them share: questions and models (`explorer`), names to complete (`names`), maps of points
(`point_map`), the protection of the server (`guard`), and the server (`server`), which needs the
extra ``[explore]``. The page is built from TypeScript in the repository's folder ``explorer``.
"""

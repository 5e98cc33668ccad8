"""Checksums of the files in the catalog, in the format of ``sha256sum``.

They are of the uncompressed bytes. For files that are missing here, no checksum is known.
"""
# ruff: noqa: E501

from __future__ import annotations

_SHA256SUMS = """
f2a405ce50f8f23d7439261ea1dc39f3f23996dc05ad65a7be90599459126430  nlp/analogy/BATS_3.0/1_inflectional_morphology/I01 [noun - plural_reg].txt
4466475a91c7ddd29d0860047396c9ef81137031741821d6d4cddbc7f9f54dc1  nlp/analogy/BATS_3.0/1_inflectional_morphology/I02 [noun - plural_irreg].txt
902c8e51f2e832f595244586e76d16e72e6922d6d3ffebe7b2d8f503de9af201  nlp/analogy/BATS_3.0/1_inflectional_morphology/I03 [adj - comparative].txt
c54b93d54058c6ff644694eee2f0a57a7a97418acf48c3691523151f790129db  nlp/analogy/BATS_3.0/1_inflectional_morphology/I04 [adj - superlative].txt
cb6726f4262f0e202c49707983cd18cae0e3c26c37fd3c15aa73f490230fb878  nlp/analogy/BATS_3.0/1_inflectional_morphology/I05 [verb_inf - 3pSg].txt
2002ea3917fb578cecd1a38998075bcf0d6cc1ce598198e9bc76d3e609cb89ae  nlp/analogy/BATS_3.0/1_inflectional_morphology/I06 [verb_inf - Ving].txt
0397eb83d6d12f2c86084dfa8522e2270b0bb2fe946d47800de8e932c25ed8e6  nlp/analogy/BATS_3.0/1_inflectional_morphology/I07 [verb_inf - Ved].txt
16409fae45eea60d0b7433eba9a9b74f5985ff572ff7f8174623ccdd044b263f  nlp/analogy/BATS_3.0/1_inflectional_morphology/I08 [verb_Ving - 3pSg].txt
0f75a20573e68b8a181b0387f5f827bcf98f9380279b2941a635a13974814e9f  nlp/analogy/BATS_3.0/1_inflectional_morphology/I09 [verb_Ving - Ved].txt
8ce48ac01e360bfc6fff4e5e59ffcc7289815f4c0d00eea7b0fa4039a27a56e5  nlp/analogy/BATS_3.0/1_inflectional_morphology/I10 [verb_3pSg - Ved].txt
df7932eb73e875c07982a79d2a55ebbcc687066531fb43e7b4ae3fa5a242a01b  nlp/analogy/BATS_3.0/2_derivational_morphology/D01 [noun+less_reg].txt
314a153805b279a91fd5f37ee6108d21ab6c09722e159fbfb4ebfaf150d7f5fc  nlp/analogy/BATS_3.0/2_derivational_morphology/D02 [un+adj_reg].txt
1f17b894054f2eaa5e4acd993174b5ab0fa96a38bf5bf7e6f5c75272e2a9bd5c  nlp/analogy/BATS_3.0/2_derivational_morphology/D03 [adj+ly_reg].txt
60e1279dda6ade89272be1b3ee543e7fb08415161eff4621b255463aaa0423f7  nlp/analogy/BATS_3.0/2_derivational_morphology/D04 [over+adj_reg].txt
112700aaf9c7a49dcb3a15ab4e36464580fdf8344b0ad02b9002c6f2c9c2320b  nlp/analogy/BATS_3.0/2_derivational_morphology/D05 [adj+ness_reg].txt
fe35cac9ebff5b4e2d200f1e1cb3b1aa6a2ee32b085572e1d7658b40d285aae1  nlp/analogy/BATS_3.0/2_derivational_morphology/D06 [re+verb_reg].txt
a13f77984d4a551bd9ccf6c9b248eba9aef8bab0afe6cfb3538590846d087422  nlp/analogy/BATS_3.0/2_derivational_morphology/D07 [verb+able_reg].txt
ca10f7428edc6ef5b8c34bccd8883f8f830b1e7072d548bacb89ec4d0d5efed2  nlp/analogy/BATS_3.0/2_derivational_morphology/D08 [verb+er_irreg].txt
c4199b8645a52148f171c8a13b017ec87d5226e731e572e72cb1ae4710b2400f  nlp/analogy/BATS_3.0/2_derivational_morphology/D09 [verb+tion_irreg].txt
454df5fffc41641852fc8c30cd6b1182dbca6084632c20d5646514619c530b49  nlp/analogy/BATS_3.0/2_derivational_morphology/D10 [verb+ment_irreg].txt
4bfeb3ce8d9057899b4110721d1e0b0524d8327f72a59b50b12982bfdbd532ea  nlp/analogy/BATS_3.0/3_encyclopedic_semantics/E01 [country - capital].txt
fe7fbb02c833c79e7d1d17bf454374585a82fdcfd36aafb657c48eb30e21e38d  nlp/analogy/BATS_3.0/3_encyclopedic_semantics/E02 [country - language].txt
33ff67c2dcdd04319056b3d25a1a6d200e16d0e1dc6c4513185654da5b40fe63  nlp/analogy/BATS_3.0/3_encyclopedic_semantics/E03 [UK_city - county].txt
1cf896fbe88cd6f4a59e1e847ceaa5b89c34129ab8618f88390f392bf5501b86  nlp/analogy/BATS_3.0/3_encyclopedic_semantics/E04 [name - nationality].txt
9de6fe0e1c6f9bea42484ae30118340ee3402ab6edb60b48a1f053db6669a523  nlp/analogy/BATS_3.0/3_encyclopedic_semantics/E05 [name - occupation].txt
8c0324d64da14062cf54fcd349706b5d622abf630ffc09f294a5dd5512ca0c16  nlp/analogy/BATS_3.0/3_encyclopedic_semantics/E06 [animal - young].txt
a99c8826744bf80b4fab7fbbb137c4f187ce17ce758960f15aa648f9d8f53a2f  nlp/analogy/BATS_3.0/3_encyclopedic_semantics/E07 [animal - sound].txt
aecea7c6786da6d646fb717de7cae53ee91ead2cc718128f20009c4712cd9cea  nlp/analogy/BATS_3.0/3_encyclopedic_semantics/E08 [animal - shelter].txt
3801de3967135af59b2c8bf6ca67b64e021413954a42a6aa3c9fa4e04209223e  nlp/analogy/BATS_3.0/3_encyclopedic_semantics/E09 [things - color].txt
8c9866a06a70b572344aa819943786b95e577194b86b899d66883dc80ee1a07b  nlp/analogy/BATS_3.0/3_encyclopedic_semantics/E10 [male - female].txt
2350727e928e9d0af481b7e38b00d8e4a1c83d1df3b64b438778193ae782ade6  nlp/analogy/BATS_3.0/4_lexicographic_semantics/L01 [hypernyms - animals].txt
237d787adec92e9288c5a22bedb4c199b5aeac2bd6c76ca9169f25564a85c749  nlp/analogy/BATS_3.0/4_lexicographic_semantics/L02 [hypernyms - misc].txt
085463e9135b4701a6cd5d72f261e687f1edaf959d31a4960cca09b0174ddda5  nlp/analogy/BATS_3.0/4_lexicographic_semantics/L03 [hyponyms - misc].txt
0388e722d038cd282d9497f9f761f33d1a84e6a9a8b6e7766b6195a296093bbe  nlp/analogy/BATS_3.0/4_lexicographic_semantics/L04 [meronyms - substance].txt
d88e3d37d5feab876ba658d3bc1817e6a2430d03064b30c690e5bac05741dbcf  nlp/analogy/BATS_3.0/4_lexicographic_semantics/L05 [meronyms - member].txt
dfb2fc4ff3c21f7602fb9eaff45e21936089770fd2c8dc7f4a70e6c15c271e5e  nlp/analogy/BATS_3.0/4_lexicographic_semantics/L06 [meronyms - part].txt
291f87a69507fc8f1eea06bceaa6fd7ae90670488ebf3abefc0013d78d2e86a2  nlp/analogy/BATS_3.0/4_lexicographic_semantics/L07 [synonyms - intensity].txt
2d86f1916deb713e748b90a516a690423a06eb23d0c74e3d3cec3f8a82164ad8  nlp/analogy/BATS_3.0/4_lexicographic_semantics/L08 [synonyms - exact].txt
861b95c036f5db2074e6faf5023be5396efaeba022cfaad132d38da67407d203  nlp/analogy/BATS_3.0/4_lexicographic_semantics/L09 [antonyms - gradable].txt
3cb743a409889a472878df8a0403296667805f16aa7054f27cb7fd16130d9521  nlp/analogy/BATS_3.0/4_lexicographic_semantics/L10 [antonyms - binary].txt
55cfc0894d0fe6cf974d106da3e09b5fb2fa6125b6ddc633d06e298dc5aa7901  nlp/analogy/questions-phrases.txt
8c29b3332afc46f3fb8be04cb5297bf96f39aa7131272dff57869b4485b22a36  nlp/analogy/questions-words.txt
aedc4ccbd1ae9795feaa0e86fe72d195b0258abed9d705b630d1c889276fac1e  nlp/conll2003/eng.testa
0632f32c090ef31c223135b7fee3187a7cf8e65c4015c7866bb7783428cdd9a6  nlp/conll2003/eng.testb
eac0822f501353f265383ddf1edb0dcd42a1b6eefd3e383d7074db98c38eb41c  nlp/conll2003/eng.train
eb140f3a5b9c14b44a3d088abe685b0a41423ed23f3e34f7427070c7384ce4fe  nlp/corpus/enwiki2015_text8like.txt
47acde513584553f7f27f43b7005dab017eb30cc358ed95973f059dfebdcfa55  nlp/corpus/enwiki2019_featured.txt
1a7ee352b379a9b1a531139b479939919b7ad15b90308b115ae52cf9b911e2a3  nlp/corpus/enwiki2019_good_sample.txt
4766a55d58363650452a283269f3f6c70edbe65b7a078a62deb19db16b4c8860  nlp/fewshot/chimeras/dataset.l2.fixed.test.txt
f7e4db676220583083a4f6c8717325d3a4bc1f051c425e6ac5ab55c548940799  nlp/fewshot/chimeras/dataset.l2.fixed.train.txt
c026cea226b03f7c6e203ce2cc2840010d33cec29860065509a30697a571a85e  nlp/fewshot/chimeras/dataset.l2.tokenised.test.txt
4fe1d6c66b763df60bbaadc0080d477da8c1a9d8defb7ea2d1829e2cf93f9658  nlp/fewshot/chimeras/dataset.l2.tokenised.train.txt
63e3411fc655cab9fa9007653b51218375c426e4e1a1263381a300950d1df979  nlp/fewshot/chimeras/dataset.l4.fixed.test.txt
eaf18083649d86e768d864980fc209dff01eece581efa35e1ab30564762c7aa2  nlp/fewshot/chimeras/dataset.l4.fixed.train.txt
90c5b7d37e33ed4bd32a6b13b115850d36d8516cb31f5ebcd9a7bd34e43cdac8  nlp/fewshot/chimeras/dataset.l4.tokenised.test.txt
b2b70ea4c99a5e7361b06b94f968893418e529682e7595c75044af1d078411eb  nlp/fewshot/chimeras/dataset.l4.tokenised.train.txt
659ea69c62cca4ba37ec745f80086861136eacbef399ac83b164ee344a74d98d  nlp/fewshot/chimeras/dataset.l6.fixed.test.txt
1d876341fbff16d12f34b62bd3702094a3ce26a4e97eef3bb3db9d7f98d7c2c0  nlp/fewshot/chimeras/dataset.l6.fixed.train.txt
f9915b47e37c5b953b3d8f0149002dfaefa1aee75a821ba95bded5e7af10e488  nlp/fewshot/chimeras/dataset.l6.tokenised.test.txt
3ba5a1afa955c3bfe2004146c8ea5376f5d27a4ae9ed249d9651e7d0dccf3a39  nlp/fewshot/chimeras/dataset.l6.tokenised.train.txt
399a2db1a805cedf248ebac89787c7b5cebe25e4f7e27c9748b6f1e87fe84874  nlp/fewshot/crw-dev/CRW-550.txt
82cb76f00d018650e9dd45d445af45980709cc2c6e7b4df6301137e29067d996  nlp/fewshot/crw-dev/contexts.tsv
7d688decb828aeec9118a30211d4002306315b1c0760a0b49162484ffaebc638  nlp/fewshot/crw-dev/rarevocab.txt
5533c604f42858b551afd4655a4da04447c46b03a0e4d173484f8a9a988d08ad  nlp/fewshot/nonces/n2v.definitional.dataset.test.txt
b7f78d7fccb6b5e16a199faf9c66ba9a6934d4e70fdd15c3b82f975e029b0787  nlp/fewshot/nonces/n2v.definitional.dataset.train.txt
73bdbe7b63fa47e27b752ad17c8bb71913885bd13647e92af24ffeb7801c7ac0  nlp/sense/raw-c/raw-c.csv
b371cee6142e6be9fad9129a2b6cc7e3b945b7bc931b355051043fb438c16000  nlp/sense/scws/ratings.txt
9109e9d661fc4bca2e6fe5e9b56d0c1f34731dc927c454ba06dde2d7898db86a  nlp/sense/semeval2010_task14/dataset.txt
a5201fed260f78beb2a09444932ba6f025eb77b6894fa9f501af2c29d39d9e0f  nlp/sense/semeval2010_task14/key.txt
14cb599c055d0a8e9a09afb037f8b36616d18a736165942aac7bfe11476f09a7  nlp/sense/semeval2013_task13/gold.all.key
be2d72b40a559e0b690d747a114916427e6e7826fbec19235512875ac31a29b5  nlp/sense/semeval2013_task13/semeval-2013-task-13-test-data.senseval2.xml
1c360246ffa3904fc1d8f6f16bb7ae0d7980a1a27e9200e9b43c32fd35af11e7  nlp/sense/wic/dev.data.txt
665ee959c2cf7db2a4255b7a049bdfa165b970482145cfd2ac456007d4dcf1d6  nlp/sense/wic/dev.gold.txt
28befe601f5bdbc8e452e9538f6d3582a164647ad5949a9808a74908e70031f7  nlp/sense/wic/test.data.txt
a69386c579762d9ddf988a61896a2e912f402410185f5e8316007093799b341f  nlp/sense/wic/test.gold.txt
3a56ff8285ca9703d6c91dfb7cc79760171899c560bb6a8698fa4559a71b160d  nlp/sense/wic/train.data.txt
3f614ca12c03a90fecc34471d8ae666f924a3c657b5620fcfb46d9b2b50bb7b2  nlp/sense/wic/train.gold.txt
33ee05911496ff83d95cac351d0746c6f63b9181b605cb7d307f4daa8864511b  nlp/similarity/EN-MC-30.txt
888b13580faa362c7b11da0a670258cf1b1eb4bf0ecbcd418918729a3bd3f43a  nlp/similarity/EN-MEN-TR-3k.txt
a9ae3a9decb75a9700fe0cf18b048c1344774d9f40e0196baf8e34d4cd9d1ce5  nlp/similarity/EN-MTurk-287.txt
04dc297c9e86b6fa7cf8ef0e4ba2e2c8d3399ec68d92fb7a53c0b4aae27198b5  nlp/similarity/EN-MTurk-771.txt
c243f3a91c3f5d8cf67f21a67f6fb80bde8b6bb060851a6a48e6f2d68ec98c9f  nlp/similarity/EN-RG-65.txt
5108d54dfc746f44f9c3d7e31d2857c37cf71430bc1594175a61a3b89bb0ae1f  nlp/similarity/EN-RW-STANFORD.txt
405394ffb7d25f6d0e3c041f87c9f27d29dc6b047506769953e85c4523b11685  nlp/similarity/EN-SIMLEX-999.txt
9d84274e7ad029fd3cf69dd0516e9ade624bbef9bd4e2050f6cc1fa01471e0f5  nlp/similarity/EN-SimVerb-3500.txt
7259e19961c81912aa4c72de0102e480b2ad2bb9f4ce97d036fbde8e1a403001  nlp/similarity/EN-VERB-143.txt
ce12919b240af45bdf46d243601eaca2b6212b159b5e7e9b435ee7ee40c5619c  nlp/similarity/EN-WS-353-ALL.txt
66a7c88100624d0a391605ff61ce84e11d11ee620d51ec0298da49592838f8fa  nlp/similarity/EN-WS-353-REL.txt
f1da938998863c94e53f72f984a5c6e215f0b46c323aae8f0f4930703a339107  nlp/similarity/EN-WS-353-SIM.txt
7643fdbc6158c3424061e2cba450c71285767266ff9f3db947bfc1f1f5ce67ab  nlp/similarity/EN-YP-130.txt
4a3cf91de9a0b4baed3b49f14ff03a9d357af87aaac84c0e60cc5e192487b7d9  nlp/similarity/card-660/dataset.tsv
"""

SHA256: dict[str, str] = {
    path: digest
    for digest, path in (line.split("  ", 1) for line in _SHA256SUMS.strip().splitlines())
}

"""What is said of mistakes, word for word: one change to a pipeline that holds, and the problems that follow of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

SMALL = """\
flowbutton: 1
name: small
params:
  reads: {type: uri, default: reads.fastq}
  size: {type: bytes, default: 1MiB}
  report: {type: bool, default: true}
sources:
  reads: {partitioner: fastq, from: "${params.reads}", with: {size: "${params.size}"}}
  reference: {partitioner: whole, from: ref.fa}
stages:
  index: {uses: genomics.index_reference, share: {reference: reference}}
  align:
    uses: genomics.align
    for_each: {reads: reads}
    share: {index: index}
    with: {preset: sr}
  survey: {uses: genomics.survey, gather: {profiles: align.profile}}
  regions: {uses: genomics.plan_regions, share: {survey: survey, index: index}}
  call:
    uses: genomics.call
    for_each: {region: regions}
    gather: {alignments: {from: align.alignments, overlap: region.window}}
    share: {index: index}
  variants: {uses: genomics.concat_variants, gather: {parts: call}}
  quality: {uses: genomics.read_quality, for_each: {reads: reads}}
  summary: {uses: genomics.merge_quality, gather: {parts: quality}, fan_in: 8}
  bam:
    uses: genomics.merge_alignments
    for_each: {sample: reads.sample}
    gather: {alignments: {from: align.alignments, match: sample}}
  report: {uses: genomics.report, share: {quality: summary, variants: variants}, when: "${params.report}"}
outputs:
  variants.vcf.gz: variants.vcf
  report.html: report
  "{sample}.bam": bam.bam
"""

MISTAKES: dict[str, tuple[str, str, list[str]]] = {
    "unknown top key": ("name: small\n", "name: small\nstagez: {}\n", [
        "3:1 stagez: unknown key 'stagez'; did you mean 'stages'?",
    ]),
    "version": ("flowbutton: 1\n", "flowbutton: 2\n", [
        "1:13 flowbutton: the language's version is 2, and this flowbutton reads 1; write 'flowbutton: 1', or"
        " install the flowbutton that the file is written for",
    ]),
    "tolerance of another kind": ("fan_in: 8", "tolerate: {records: -1}", [
        "26:89 stages.summary.tolerate.records: -1 is not a number of records; write 0 or more, or "
        "${params.NAME} of an int, alone",
    ]),
    "tolerance by a param of another type": ("fan_in: 8", 'tolerate: {records: "${params.report}"}', [
        "26:89 stages.summary.tolerate.records: '${params.report}' is not a number of records: its value is "
        "true; use an int param",
    ]),
    "missing key": ("name: small\n", "", [
        "1:1: the key 'name' is missing; add 'name: ...'",
    ]),
    "unknown stage key": ("fan_in: 8", "fanin: 8", [
        "26:69 stages.summary.fanin: unknown key 'fanin'; did you mean 'fan_in'?",
    ]),
    "wrong kind of number": ("fan_in: 8", "fan_in: many", [
        "26:77 stages.summary.fan_in: 'many' is given where a whole number is expected",
    ]),
    "placeholder in a wrong place": ("fan_in: 8", 'fan_in: "${params.size}"', [
        "26:77 stages.summary.fan_in: '${params.size}' is given where a whole number is expected; "
        "placeholders stand in 'from', 'with', 'when' and 'tolerate' only",
    ]),
    "yes is no bool": ("{type: bool, default: true}", "{type: bool, default: true, nullable: yes}", [
        "6:49 params.report.nullable: 'yes' is given where true or false is expected; yes, no, on and off "
        "are text here; write true or false",
    ]),
    "number for text": ("name: small", "name: 5", [
        "2:7 name: 5 is given where text is expected; put quotes around it",
    ]),
    "not one of": ("type: bytes", "type: byte", [
        "5:16 params.size.type: 'byte' is not one of string, int, float, bool, bytes, duration, choice, "
        "uri, list; did you mean 'bytes'?",
    ]),
    "name with a dot": ("  index: {uses", "  in.dex: {uses", [
        "11:3 stages.\"in.dex\": 'in.dex' is not a valid name; a letter comes first, then letters, digits, _ and -",
    ]),
    "uses and command": ("{uses: genomics.merge_quality,", "{uses: genomics.merge_quality, command: [cat],", [
        "26:12 stages.summary: a stage has one of 'uses' and 'command'; write 'uses: NAME' of a registered "
        "stage, or 'uses: module:function'",
    ]),
    "condition with code": ('when: "${params.report}"', 'when: "${params.report} == true"', [
        "31:88 stages.report.when: '${params.report} == true' is no condition; write ${params.NAME} of a bool"
        " or a nullable param, alone",
    ]),
    "memory without unit sense": ("fan_in: 8", "resources: {memory: 4Gb, timeout: 15}", [
        "26:103 stages.summary.resources.timeout: 15 is not a duration; say the unit: 15s, 15m or 15h",
    ]),
    "default of another type": ("default: 1MiB", "default: 1 MB/s", [
        "5:32 params.size.default: '1 MB/s' is not an amount of bytes; write 32MiB or 1.5GB",
    ]),
    "unknown param": ("${params.size}", "${params.sise}", [
        "8:69 sources.reads.with.size: there is no param called 'sise'; did you mean 'size'?",
    ]),
    "unknown placeholder": ("from: ref.fa", 'from: "${run.id}/ref.fa"', [
        "9:41 sources.reference.from: unknown placeholder '${run.id}'; there are ${params.NAME} and "
        "${env:NAME}, and nothing is calculated; $$ is a plain $",
    ]),
    "environment": ("from: ref.fa", 'from: "${env:REF}/ref.fa"', [
        "9:41 sources.reference.from: the environment variable 'REF' is not set; run: export REF=...",
    ]),
    "unknown stage": ("gather: {parts: call}", "gather: {parts: cal}", [
        "24:62 stages.variants.gather.parts: there is no source or stage called 'cal'; did you mean 'call'?",
    ]),
    "unknown output": ("align.profile", "align.profiles", [
        "17:54 stages.survey.gather.profiles: stage 'align' has no output 'profiles'; did you mean 'profile'?",
    ]),
    "output of a stage with one": ("report.html: report", "report.html: report.html", [
        "34:16 outputs.\"report.html\": stage 'report' has one output, without a name; write 'report'",
    ]),
    "unknown code": ("genomics.survey", "genomics.surveys", [
        "17:18 stages.survey.uses: there is no stage called 'genomics.surveys'; there are: ...",
    ]),
    "unknown partitioner": ("partitioner: whole", "partitioner: hole", [
        "9:28 sources.reference.partitioner: there is no partitioner called 'hole'; installed: fastq, whole",
    ]),
    "circle": ("share: {reference: reference}", "share: {reference: survey}", [
        "11:3 stages.index: these stages wait for each other: index → align → survey → index; align takes "
        "index (line 15); survey takes align (line 17); index takes survey (line 11); take one of these out",
        "11:62 stages.index.share.reference: 'survey' gives Quality, but 'reference' takes Path; what gives "
        "it: align.profile, variants.vcf, variants.index, bam.bam, bam.bai",
    ]),
    "circle of one": ("gather: {parts: quality}", "gather: {parts: summary}", [
        "26:3 stages.summary: this stage waits for itself; summary takes summary (line 26); take one of these"
        " out",
    ]),
    "argument not bound": ("    share: {index: index}\n    with", "    with", [
        "12:3 stages.align: the argument 'index' of genomics.align is not bound; bind it under for_each or "
        "share; it takes Path",
    ]),
    "unknown argument": ("gather: {profiles:", "gather: {profile:", [
        "17:44 stages.survey.gather.profile: genomics.survey has no argument 'profile'; did you mean "
        "'profiles'?",
    ]),
    "an option as an argument": (
        "share: {index: index}\n    with: {preset: sr}",
        "share: {index: index, preset: sr}", [
        "13:5 stages.align.with: the option 'preset' is missing; add 'preset: ...' under 'with'",
        "15:27 stages.align.share.preset: genomics.align has no argument 'preset'; it is an option: write it "
        "under 'with'",
    ]),
    "bound twice": ("share: {index: index}\n    with", "share: {index: index, reads: reads}\n    with", [
        "15:27 stages.align.share.reads: the argument 'reads' is bound twice; keep one",
    ]),
    "share of many": ("gather: {profiles: align.profile}", "share: {profiles: align.profile}", [
        "17:53 stages.survey.share.profiles: 'profiles' can't take one value; its argument takes many "
        "values (Sequence or Parts); bind it under gather",
    ]),
    "share of a fan-out stage": ("{quality: summary,", "{quality: quality,", [
        "31:52 stages.report.share.quality: stage 'quality' has a task per item, so there is no one value "
        "to share; bind it under gather, or under for_each",
    ]),
    "gather into one": ("share: {quality: summary, variants: variants}", "gather: {quality: summary}", [
        "31:53 stages.report.gather.quality: 'quality' can't gather; it takes Quality; bind it under share or"
        " for_each; what gathers takes a Sequence[...] or Parts",
    ]),
    "for_each over one task": ("for_each: {region: regions}", "for_each: {region: survey}", [
        "21:24 stages.call.for_each.region: stage 'survey' has one task, and makes no items to go through; "
        "it gives Quality; bind it under share",
    ]),
    "for_each over a table": ("{sample: reads.sample}", "{sample: reads.table}", [
        "29:24 stages.bam.for_each.sample: 'reads.table' is one value, not many; bind it under share",
    ]),
    "gather of a source": ("gather: {parts: quality}", "gather: {parts: reads}", [
        "26:59 stages.summary.gather.parts: 'reads' is a source, which can't be gathered; bind a source "
        "under for_each or share",
    ]),
    "types": ("gather: {parts: quality}", "gather: {parts: call}", [
        "26:59 stages.summary.gather.parts: 'call' gives bytes, but 'parts' takes Sequence[Quality]; what "
        "gives it: survey, quality",
    ]),
    "reader": (
        "quality: {uses: genomics.read_quality, for_each: {reads: reads}}",
        "quality: {uses: genomics.read_quality, for_each: {reads: reference}}", [
        "25:60 stages.quality.for_each.reads: 'reference' gives pieces read by File, but 'reads' takes Reads",
    ]),
    "a whole stage of several outputs": ("{profiles: align.profile}", "{profiles: align}", [
        "17:54 stages.survey.gather.profiles: 'align' gives alignments (Bundle) and profile (Path), but "
        "'profiles' takes Sequence[Path]; choose one output: align.alignments, align.profile",
    ]),
    "parts of no bundle": ("{from: align.alignments, match: sample}", "{from: align.profile, match: sample}", [
        "30:26 stages.bam.gather.alignments: 'align.profile' gives Path, but 'alignments' takes Parts; what "
        "gives it: align.alignments",
    ]),
    "unknown match": ("match: sample", "match: sampel", [
        "30:58 stages.bam.gather.alignments.match: the items of stage 'bam' have no key column 'sampel'; "
        "did you mean 'sample'?",
    ]),
    "unknown overlap": ("overlap: region.window", "overlap: region.windows", [
        "22:60 stages.call.gather.alignments.overlap: Region has no 'windows'; did you mean 'window'?",
    ]),
    "overlap with no item": ("overlap: region.window", "overlap: index.window", [
        "22:60 stages.call.gather.alignments.overlap: 'index' is no argument under for_each; there are: region",
    ]),
    "tree of a stage that is none": ("gather: {parts: call}", "gather: {parts: call}, fan_in: 4", [
        "24:77 stages.variants.fan_in: genomics.concat_variants can't gather in a tree; it takes "
        "Sequence[bytes] and gives vcf (Path) and index (Path); remove 'fan_in', or let the function "
        "return the type that it gathers",
    ]),
    "unknown option": ("{preset: sr}", "{preset: sr, sed: 5}", [
        "16:24 stages.align.with.sed: unknown option 'sed'; did you mean 'seed'?",
    ]),
    "value of an option": ("{preset: sr}", "{preset: hifi, seed: no}", [
        "16:20 stages.align.with.preset: 'hifi' is not one of sr, map-ont",
        "16:32 stages.align.with.seed: 'no' is given where a whole number is expected",
    ]),
    "option of a partitioner": ("with: {size: ", "with: {strict: off, size: ", [
        "8:71 sources.reads.with.strict: 'off' is given where true or false is expected; yes, no, on and off "
        "are text here; write true or false",
    ]),
    "amount of a partitioner": ('"${params.size}"', "5 apples", [
        "8:69 sources.reads.with.size: '5 apples' is not an amount of bytes; write 32MiB or 1.5GB",
    ]),
    "output of a source": ("report.html: report", "report.html: reads", [
        "34:16 outputs.\"report.html\": 'reads' is a source, and outputs are results of stages; name a stage",
    ]),
    "output of many files": ('"{sample}.bam"', "one.bam", [
        "35:3 outputs.\"one.bam\": stage 'bam' has a task per item, but the output has one name; put a key "
        "column into the name: {sample}",
    ]),
    "output of one file": ("report.html:", '"{sample}.html":', [
        "34:3 outputs.\"{sample}.html\": stage 'report' has one task, so there is no '{sample}'; remove it from"
        " the name",
    ]),
    "column of an output": ('"{sample}.bam"', '"{lane}.bam"', [
        "35:3 outputs.\"{lane}.bam\": the items of stage 'bam' have no key column 'lane'; there are: sample",
    ]),
    "output with a format": ('"{sample}.bam"', '"{sample!r}.bam"', [
        "35:3 outputs.\"{sample!r}.bam\": the braces in '{sample!r}.bam' hold no column's name; write {column}",
    ]),
    "output with half a brace": ('"{sample}.bam"', '"{sample.bam"', [
        "35:3 outputs.\"{sample.bam\": the braces in '{sample.bam' hold no column's name; write {column}",
    ]),
    "output outside the results": ("report.html:", "../report.html:", [
        "34:3 outputs.\"../report.html\": '../report.html' is not a file name; outputs stay in the results "
        "folder, which --results names; write file.txt or folder/file.txt",
    ]),
    "output of several": ("variants.vcf\n", "variants\n", [
        "33:20 outputs.\"variants.vcf.gz\": stage 'variants' has several outputs; choose one: variants.vcf, "
        "variants.index",
    ]),
    "one name twice": ("  report: {uses", "  reads: {uses", [
        "31:3 stages.reads: a source and a stage are both called 'reads'; rename one of them",
        "34:16 outputs.\"report.html\": there is no source or stage called 'report'; there are: align, bam, "
        "call, index, quality, reads, reference, regions, summary, survey, variants",
    ]),
    "condition that always holds": ("${params.report}", "${params.size}", [
        "31:88 stages.report.when: the param 'size' is always there, so it is no condition; a condition is "
        "a bool, or a param with 'nullable: true'",
    ]),
    "unknown condition": ("${params.report}", "${params.reports}", [
        "31:88 stages.report.when: there is no param called 'reports'; did you mean 'report'?",
    ]),
    "zip or cross": ("for_each: {reads: reads}\n    share: {index: index}", "for_each: {reads: reads, index: call}", [
        "12:3 stages.align: these stages wait for each other: align → survey → regions → call → align; survey"
        " takes align (line 16); regions takes survey (line 17); call takes regions (line 20); align takes "
        "call (line 14); take one of these out",
        "14:15 stages.align.for_each: stage 'align' goes through 2 things at once, and does not say how; add "
        "'mode: zip' (first with first, second with second) or 'mode: cross' (each with each)",
        "14:37 stages.align.for_each.index: 'call' gives bytes, but 'index' takes Path; what gives it: index,"
        " variants.vcf, variants.index, bam.bam, bam.bai",
    ]),
    "comma in a text": ("default: 1MiB", "default: 1MiB, help: Bytes, as stored", [
        "5:51 params.size.\"as stored\": unknown key 'as stored'; a comma ends a text inside { }: put quotes "
        "around the whole text",
    ]),
    "double key and another mistake": ("fan_in: 8", "fan_in: 8, fan_in: 1, retries: -1", [
        "26:80 stages.summary.fan_in: the key 'fan_in' is given twice; it is already on line 26; keep "
        "one of them",
        "26:100 stages.summary.retries: -1 is below 0",
    ]),
    "no workers": ("flowbutton: 1\n", "flowbutton: 1\nprofiles: {a: {workers: 0}}\n", [
        "2:25 profiles.a.workers: 0 is below 1",
    ]),
    "command": ("{uses: genomics.merge_quality,", "{command: [cat],", [
        "26:13 stages.summary.command: the command has no output; add 'outputs: {name: file}', or 'stdout: "
        "file' to keep what it prints",
        "26:38 stages.summary.gather.parts: the command does not name '{parts}'; name it, or remove it",
    ]),
    "profile for no stage": ("outputs:", "profiles: {big: {resources: {aling: {memory: 4GiB}}}}\noutputs:", [
        "32:30 profiles.big.resources.aling: there is no stage called 'aling'; did you mean 'align'?",
    ]),
    "profile with params": ("outputs:", "profiles: {big: {params: {}}}\noutputs:", [
        "32:18 profiles.big.params: unknown key 'params'; a profile holds no params: give them by -p or "
        "--params-file",
    ]),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_at_its_place(name: str, told: Callable[..., list[str]]) -> None:
    old, new, wanted = MISTAKES[name]
    assert SMALL.count(old) >= 1
    assert told(SMALL.replace(old, new, 1)) == wanted

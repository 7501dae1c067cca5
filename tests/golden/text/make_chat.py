"""Writes tests/golden/text/chat.jsonl: the templates of tests/golden/text/templates with messages, and the text
that transformers makes of them; and the templates once more as inputs of the fuzzing, in tests/fuzz/corpus/chat.
Needs transformers and jinja2 (pip); run from the repository's root. Each template is named by what it exercises;
all are written for this test, in the ways that templates of chat models are written, and no model has them."""
import copy
import json
import pathlib

import jinja2
import transformers
from transformers.utils.chat_template_utils import _compile_jinja_template

TEMPLATES = sorted(pathlib.Path("tests/golden/text/templates").glob("*.jinja"))
FUZZING = pathlib.Path("tests/fuzz/corpus/chat")
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}

ALONE = [{"role": "user", "content": "你好！今天天气怎么样？"}]
TALK = [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "Hi <b>\"you\"</b> & co\n"},
        {"role": "assistant", "content": "Hello.\n"}, {"role": "user", "content": "再见"}]
TWICE = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
STRANGER = [{"role": "user", "content": "a"}, {"role": "poet", "content": "b"}]
THOUGHTS = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "<think>\nadd\n</think>\n\n4"},
            {"role": "user", "content": "sure?"}, {"role": "assistant", "content": "<think>yes</think>\n\nYes.\n"}]
APART = [{"role": "user", "content": "3?"}, {"role": "assistant", "content": "3.", "reasoning_content": "\nit is\n"},
         {"role": "user", "content": "4?"}, {"role": "assistant", "content": "4.", "reasoning_content": None}]
WISHES = [{"role": "system", "content": "Rhyme. #quick "}, {"role": "user", "content": "Sun?"},
          {"role": "assistant", "content": "\nFun."}, {"role": "user", "content": "Moon?"}]
BARE = [{"role": "system", "content": "Sleep #slow #bare"}, {"role": "user", "content": "[[no question]]"}]
RESULTS = [{"role": "user", "content": "weather?"}, {"role": "tool", "content": "sunny"},
           {"role": "tool", "content": {"degrees": 21.5, "wind": None}}, {"role": "assistant", "content": "Nice."},
           {"role": "user", "content": "[[21.5]]"}]
FRAMED = [{"role": "user", "content": "sunny?"}, {"role": "assistant", "content": "<think>look</think>Where?\n"},
          {"role": "user", "content": "[[in Shanghai]]"}, {"role": "assistant", "content": "<think>oh</think>It is."}]
CALLS = [{"role": "user", "content": "weather?"},
         {"role": "assistant", "content": "", "tool_calls": [
             {"id": "abcdefgh1", "type": "function",
              "function": {"name": "weather", "arguments": {"city": "上海", "days": 2}}},
             {"id": "abcdefgh2", "type": "function", "function": {"name": "now", "arguments": "{\"zone\": 8}"}}]},
         {"role": "tool", "content": "sunny", "tool_call_id": "abcdefgh1"},
         {"role": "tool", "content": "noon", "tool_call_id": "abcdefgh2"},
         {"role": "assistant", "content": "Sunny at noon."}, {"role": "user", "content": "and tomorrow?"}]
MANY_CALLS = [{"role": "assistant", "content": "", "tool_calls": [{"name": "now", "arguments": {}}] * 3}]
WRONG_CALL = [{"role": "user", "content": "now?"}, {"role": "tool", "content": "noon", "tool_call_id": "x"}]
PARTS = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " What is it? "}]},
         {"role": "assistant", "content": None}, {"role": "user", "content": [{"type": "text", "text": "Look!"}]}]
SOUNDS = [{"role": "user", "content": [{"type": "sound", "length": 3}]}]
SILENT = [{"role": "user", "content": "a"}, {"role": "assistant", "content": None}]
WORDLESS = [{"role": "user"}]
TOOLS = [
    {"type": "function", "function": {"name": "weather", "description": "今天的天气", "parameters": {
        "type": "object", "required": ["city"], "properties": {
            "city": {"type": "string", "description": "a \"city\""}, "days": {"type": "integer"},
            "unit": {"type": "string", "enum": ["C", "F"]},
            "hours": {"type": "array", "items": {"type": "number"}},
            "place": {"type": "object", "properties": {"lat": {"type": "number"},
                                                       "ok": {"type": ["string", "null"]}}}}}}},
    {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}},
                                      "return": {"x": 1.5, "sure": True, "in": ["s", None]}}},
]

LISTS = (ALONE, TALK, TWICE, STRANGER, THOUGHTS, APART, WISHES, BARE, RESULTS, FRAMED, CALLS, MANY_CALLS, WRONG_CALL,
         PARTS, SOUNDS, SILENT, WORDLESS)
# What a template is told besides, with which messages, and whether it is asked to begin the answer.
ASIDES = (({}, LISTS, (True, False)), ({"tools": TOOLS}, (TALK, CALLS), (True,)),
          ({"enable_thinking": False, "date_string": "1 May 2025"}, (TALK, WISHES, CALLS), (True,)),
          ({"plain": True, "documents": [], "more_tools": ["a", {"b": 1}]}, (ALONE,), (True,)))


def cases_of(source):
    every = [(aside, messages, ask) for aside, lists, asks in ASIDES for messages in lists for ask in asks]
    return every if "messages" in source else every[:1]


def render(template, given):
    try:
        return {"text": template.render(**copy.deepcopy(given))}
    except jinja2.exceptions.TemplateError as e:
        return {"refused": str(e)}
    except TypeError:
        return {"refused": ""}    # Python's own words


with open("tests/golden/text/chat.jsonl", "w", encoding="utf-8") as out:
    note = f"make_chat.py: transformers {transformers.__version__}, jinja2 {jinja2.__version__}"
    print(json.dumps({"note": note}), file=out)
    for path in TEMPLATES:
        source = path.read_text(encoding="utf-8")
        (FUZZING / path.stem).write_text(source, encoding="utf-8")
        compiled = _compile_jinja_template(source)
        print(json.dumps({"name": path.stem, "template": source}, ensure_ascii=False), file=out)
        for aside, messages, ask in cases_of(source):
            case = {"name": path.stem, "messages": messages, "ask": ask}
            if aside:
                case["aside"] = aside
            case.update(render(compiled, {"messages": messages, "tools": None, "documents": None,
                                          "add_generation_prompt": ask, **TOKENS, **aside}))
            if "{'" not in case.get("text", ""):    # Python's own way to print lists is not done
                print(json.dumps(case, ensure_ascii=False), file=out)

"""Writes tests/golden/text/chat.jsonl: chat templates with messages, and the text that transformers makes of
them. Needs transformers and jinja2 (pip); run from the repository's root. The templates are written for this
file, in the ways that chat models of several families write theirs."""
import copy
import json
import pathlib

import jinja2
import transformers
from transformers.utils.chat_template_utils import _compile_jinja_template

CHATML = """{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""

SMOL = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are helpful<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""

QWEN = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {{- tools | tojson }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou are a helpful assistant<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- message.content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

THINKS = """{%- set ns = namespace(multi_step=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step and message.role == "user" and not (message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == "assistant" %}
        {%- set content = message.content %}
        {%- set reasoning = '' %}
        {%- if message.reasoning_content is defined and message.reasoning_content is not none %}
            {%- set reasoning = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in message.content %}
                {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}
                {%- set reasoning = message.content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
    {%- else %}
        {{- '<|im_start|>' ~ message.role ~ '\\n' ~ message.content }}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""

LLAMA2 = """{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"""

LLAMA3 = """{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"""

LLAMA31 = """{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined and false %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}

{#- System message, if there is one. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

MISTRAL = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}

{#- Roles must alternate: #}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results") %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, conversation roles must alternate") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}

{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported") }}
    {%- endif %}
{%- endfor %}
"""

GEMMA = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"""

ZEPHYR = """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>
' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>
' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>
'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""

DEEPSEEK = """{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ 'User: ' + message['content'] + '

' }}{% elif message['role'] == 'assistant' %}{{ 'Assistant: ' + message['content'] + eos_token }}{% elif message['role'] == 'system' %}{{ message['content'] + '

' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"""

BLANKS = """  {% if true %}
   a
  {% endif %}  b
{# a comment #}
c {# inside #} d
  {#- dashes -#}
  e
\t{%+ if true %}f{% endif +%}
g {%- if true -%}  h  {%- endif -%}  i
{{ 'j' }}
{{- ' k' -}}
   l


"""

OPERATORS = """{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 * 3 + 4 }} {{ 2 + 3 * 4 }} {{ (2 + 3) * 4 }} {{ 1.5 }} {{ 3.0 }} {{ 'a' ~ 1 ~ none ~ true }}
{{ 1 < 2 and 2 <= 2 and 3 > 2 and 3 >= 3 and 1 != 2 }} {{ not 1 == 1 }} {{ 'b' in 'abc' }} {{ 'x' not in ['x', 'y'] }} {{ 'a' in {'a': 1} }} {{ 2 in (1, 2) }}
{{ 'yes' if messages else 'no' }} {{ '' or 'other' }} {{ 'one' and 'two' }} {{ nothing }}|{{ nothing | default('none here') }}|{{ '' | default('empty', true) }}|{{ 'x' if false }}
{{ 'abc'[0] }}{{ 'abc'[-1] }}{{ 'abcdef'[1:4] }}{{ 'abcdef'[::-1] }}{{ 'abcdef'[::2] }}{{ '中文字符'[1] }}{{ '中文字符'[1:3] }} {{ [1, 2, 3][1:] | join('-') }} {{ [3, 4] | first }}{{ [3, 4] | last }}
{{ 'Hello World' | upper }} {{ 'Hello World' | lower }} {{ 'hello wide world' | title }} {{ 'hELLO' | capitalize }} {{ '  x ' | trim }}| {{ 'a-b-c' | replace('-', '+') }} {{ 'abc' | length }} {{ '中文' | length }} {{ [1,2] | count }}
{{ 'a,b,,c'.split(',') | join('|') }} {{ ' a  b '.split() | join('|') }} {{ 'a,b,c'.split(',', 1) | join('|') }} {{ 'xxabxx'.strip('x') }} {{ 'abc'.upper() }} {{ 'abc'.find('c') }} {{ '-'.join(['a', 'b']) }} {{ 'Ab'.lower() }}
{{ {'a': [1, 2.5, 'x"y', none, true], 'b': {}} | tojson }} {{ 'x\\'y' }} {{ "tab\\tnew" }} {{ '中文' | tojson }}
{{ 3 is odd }} {{ 3 is even }} {{ 'a' is string }} {{ 1 is number }} {{ none is none }} {{ x is undefined }} {{ [] is iterable }} {{ {} is mapping }} {{ 4 is divisibleby(2) }} {{ 'a' is not string }} {{ true is boolean }}
{{ range(4) | join(',') }} {{ range(1, 8, 3) | join(',') }} {{ 'a' 'b' }} {{ -3 + 1 }} {{ - 3 | string }} {{ '7' | int + 1 }}"""

LOOPS = """{% for a, b in {'x': 1, 'y': 2}.items() %}{{ a }}={{ b }};{% endfor %}
{% for m in messages if m.role != 'system' %}{{ loop.index }}/{{ loop.length }}{{ m.role }}{% if not loop.last %},{% endif %}{% else %}none{% endfor %}
{% for x in [] %}{{ x }}{% else %}empty{% endfor %}
{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% set y = 1 %}{% for x in [1, 2] %}{% set y = x %}{% endfor %}{{ y }}
{% set ns = namespace(n=0) %}{% for x in [1, 2, 3] %}{% set ns.n = ns.n + x %}{% for z in 'ab' %}{{ loop.index0 }}{{ z }}{% endfor %}{% endfor %}{{ ns.n }}
{% set block %}a {{ 1 + 1 }} b{% endset %}[{{ block }}]
{% for x in 'abc' %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }}{{ loop.revindex }}{% endfor %}
{% if false %}a{% elif messages | length > 1 %}b{% else %}c{% endif %}"""

USER = [{"role": "user", "content": "你好！今天天气怎么样？"}]
CHAT = [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "Hi <b>\"you\"</b> & co\n"},
        {"role": "assistant", "content": "Hello.\n"}, {"role": "user", "content": "再见"}]
WRONG = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
THOUGHT = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "<think>\nadd\n</think>\n\n4"},
           {"role": "user", "content": "sure?"}, {"role": "assistant", "content": "<think>yes</think>\n\nYes."}]
TOOLS = [{"role": "user", "content": "weather?"}, {"role": "tool", "content": "sunny"},
         {"role": "tool", "content": "warm"}, {"role": "assistant", "content": "Nice."}]

TEMPLATES = {"chatml": CHATML, "smol": SMOL, "qwen": QWEN, "thinks": THINKS, "llama2": LLAMA2, "llama3": LLAMA3,
             "llama3.1": LLAMA31, "mistral": MISTRAL, "gemma": GEMMA, "zephyr": ZEPHYR, "deepseek": DEEPSEEK,
             "blanks": BLANKS, "operators": OPERATORS, "loops": LOOPS}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}

# Templates of many families, after their ways, with what they ask for beyond messages.
for path in sorted(pathlib.Path("tests/golden/text/templates").glob("*.jinja")):
    TEMPLATES[path.stem] = path.read_text(encoding="utf-8")
TOOL_LIST = [
    {"type": "function", "function": {"name": "weather", "description": "今天的天气", "parameters": {
        "type": "object", "required": ["city"], "properties": {
            "city": {"type": "string", "description": "a \"city\""}, "days": {"type": "integer"},
            "unit": {"type": "string", "enum": ["C", "F"]},
            "hours": {"type": "array", "items": {"type": "number"}},
            "place": {"type": "object", "properties": {"lat": {"type": "number"}, "ok": {"type": ["string", "null"]}}}}}}},
    {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}, "return": {"x": 1.5}}},
]
CALLS = [{"role": "user", "content": "weather?"},
         {"role": "assistant", "content": "", "tool_calls": [
             {"id": "abcdefgh1", "type": "function", "function": {"name": "weather", "arguments": {"city": "上海", "days": 2}}}]},
         {"role": "tool", "content": "sunny", "tool_call_id": "abcdefgh1"},
         {"role": "assistant", "content": "Sunny."}, {"role": "user", "content": "and tomorrow?"}]
PARTS = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " What is it? "}]}]
ASIDE = [{}, {"tools": TOOL_LIST}, {"enable_thinking": False, "date_string": "1 May 2025"}]

with open("tests/golden/text/chat.jsonl", "w", encoding="utf-8") as out:
    note = f"make_chat.py: transformers {transformers.__version__}, jinja2 {jinja2.__version__}"
    print(json.dumps({"note": note}), file=out)
    for name, template in TEMPLATES.items():
        compiled = _compile_jinja_template(template)
        print(json.dumps({"name": name, "template": template}, ensure_ascii=False), file=out)
        more = pathlib.Path(f"tests/golden/text/templates/{name}.jinja").exists()
        for aside in ASIDE if more else ASIDE[:1]:
            lists = (CHAT, CALLS) if aside else (USER, CHAT, WRONG, THOUGHT, TOOLS) + ((CALLS, PARTS) if more else ())
            for messages in lists:
                for ask in (True,) if aside else (True, False):
                    case = {"name": name, "messages": messages, "ask": ask}
                    if aside:
                        case["aside"] = aside
                    given = {"messages": messages, "tools": None, "documents": None, "add_generation_prompt": ask,
                             **TOKENS, **aside}
                    try:
                        case["text"] = compiled.render(**copy.deepcopy(given))
                    except jinja2.exceptions.TemplateError as e:
                        case["refused"] = str(e)
                    except TypeError as e:
                        case["refused"] = ""
                    if "[{'" not in case.get("text", ""):    # Python's own way to print lists is not done
                        print(json.dumps(case, ensure_ascii=False), file=out)

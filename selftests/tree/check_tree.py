#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules of the tree that a script can see, one TAP case each:
licences are named, files and functions stay short, the core knows no CPU vendor."""

import os
import re
import subprocess
import sys

LICENCES = (("kmod/uapi/", "MIT"), ("pvguest/", "MIT"), ("kmod/", "GPL-2.0-only"), ("Kbuild", "GPL-2.0-only"),
            ("libvirt-driver/", "LGPL-2.1-or-later"), ("", "GPL-2.0-or-later"))
CODE = (".c", ".h", ".S", ".def", ".py", ".sh", ".build")
FILE_LINES = 800
FUNCTION_LINES = 100
# Who may know CPU vendors: the backends, their unit tests, and the tests of page-table entries, whose
# formats are the vendors'. Scripts and build files, which choose a lab by its CPU, are not looked at.
VENDOR_FOLDERS = ("kmod/vmx/", "kmod/svm/", "selftests/unit/vmx/", "selftests/unit/svm/", "selftests/unit/s2/")
# Members of Linux's struct sockaddr_vm, an address of AF_VSOCK, are other words.
VENDOR_WORD = re.compile(r"\b(?!svm_(?:family|port|cid)\b)(?:\w*_)?(?:vmx|svm|vmcs|vmcb|ept|npt)(?:_\w*)?\b", re.I)
# In the core: the lines that name the backends so that one can be chosen, and names of the kernel's own.
REGISTRATION = re.compile(r"mica_backend_(vmx|svm)\b|backend.*\"vmx\" or \"svm\"|"
                          r"MSR_IA32_VMX|FEAT_CTL|X86_FEATURE_")
COMMENT = re.compile(r"/\*.*?\*/|//.*|^\s*/?\*.*")
STRING = re.compile(r'"(?:\\.|[^"\\])*"')


def files():
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True,
                         check=True).stdout.split("\n")
    return [f for f in out if f and os.path.isfile(f)]


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read().split("\n")


def licence_of(path):
    return next(name for prefix, name in LICENCES if path.startswith(prefix))


def unlicensed(paths):
    for path in paths:
        head = "\n".join(read(path)[:3])
        if "SPDX-License-Identifier: " + licence_of(path) not in head:
            yield "%s: no SPDX line with %s" % (path, licence_of(path))


def long_files(paths):
    for path in paths:
        lines = len(read(path)) - 1
        if lines > FILE_LINES:
            yield "%s: %d lines, the limit is %d" % (path, lines, FILE_LINES)


def long_functions(paths):
    for path in paths:
        if not path.endswith(".c"):
            continue
        start = None
        for number, line in enumerate(read(path), 1):
            if line == "{":
                start = number
            elif line == "}" and start:
                if number - start > FUNCTION_LINES:
                    yield "%s:%d: a function of %d lines" % (path, start, number - start)
                start = None


def vendor_words(paths):
    """In the core of the module strings count as well; elsewhere they are for people or name files."""
    for path in paths:
        if not path.endswith((".c", ".h", ".S", ".def")) or path.startswith(VENDOR_FOLDERS):
            continue
        core = path.startswith("kmod/")
        for number, line in enumerate(read(path), 1):
            code = COMMENT.sub("", line)
            words = VENDOR_WORD.findall(code if core else STRING.sub('""', code))
            if words and not (core and REGISTRATION.search(line)):
                yield "%s:%d: %s" % (path, number, ", ".join(words))


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
    code = [f for f in files() if f.endswith(CODE) or f in ("Kbuild", "meson_options.txt") and f == "Kbuild"]
    rules = (("licences", unlicensed), ("files of at most %d lines" % FILE_LINES, long_files),
             ("functions of at most %d lines" % FUNCTION_LINES, long_functions),
             ("no vendor word outside the backends", vendor_words))
    failed = 0
    for number, (name, rule) in enumerate(rules, 1):
        found = list(rule(code))
        print("%sok %d - tree: %s" % ("not " if found else "", number, name))
        for line in found:
            print("# " + line)
        failed += bool(found)
    print("1..%d" % len(rules))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

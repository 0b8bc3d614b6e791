/* Shell completion, from the tables. */
#include "help.h"

#include <string.h>

static void words_of(FILE *f, const char *verb)
{
    for (int i = 0; i < DSC_OPT_COUNT; i++)
        if (dsc_opt_takes(&dsc_opt_rows[i], verb))
            fprintf(f, " --%s", dsc_opt_rows[i].name);
}

static void enum_case(FILE *f, const char *verb, const struct dsc_opt_row *row)
{
    fprintf(f, "    %s:--%s) words=\"", verb, row->name);
    for (const char *p = row->limits; *p; p++)
        fputc(*p == '|' ? ' ' : *p, f);
    fputs("\" ;;\n", f);
}

/* Values of ENUM options; a verb's own ones first, then those of every verb. */
static void value_cases(FILE *f)
{
    for (int c = 0; dsc_commands[c]; c++)
        for (int i = 0; i < DSC_OPT_COUNT; i++)
            if (dsc_opt_rows[i].kind == DSC_OPTKIND_ENUM && dsc_opt_rows[i].verbs[0] != '*' &&
                dsc_opt_takes(&dsc_opt_rows[i], dsc_commands[c]->name))
                enum_case(f, dsc_commands[c]->name, &dsc_opt_rows[i]);
    for (int i = 0; i < DSC_OPT_COUNT; i++)
        if (dsc_opt_rows[i].kind == DSC_OPTKIND_ENUM && dsc_opt_rows[i].verbs[0] == '*')
            enum_case(f, "*", &dsc_opt_rows[i]);
}

void dsc_complete_bash(FILE *f)
{
    fputs("# bash completion of dscompress, made by 'dscompress completion bash'\n"
          "_dscompress() {\n"
          "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "  local verb= word words=\n"
          "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
          "    case $word in -*) ;; *) verb=$word; break ;; esac\n"
          "  done\n"
          "  if [ \"$prev\" = = ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
          "  if [ \"$cur\" = = ]; then cur=; fi\n"
          "  case $verb:$prev in\n"
          "    help:*) words=\"",
          f);
    for (int c = 0; dsc_commands[c]; c++)
        fprintf(f, " %s", dsc_commands[c]->name);
    fputs("\" ;;\n", f);
    value_cases(f);
    fputs("    *) case $verb in\n    '') words=\"", f);
    for (int c = 0; dsc_commands[c]; c++)
        fprintf(f, "%s%s", c ? " " : "", dsc_commands[c]->name);
    fputs("\" ;;\n", f);
    for (int c = 0; dsc_commands[c]; c++) {
        fprintf(f, "    %s) case $cur in -*) words=\"", dsc_commands[c]->name);
        words_of(f, dsc_commands[c]->name);
        fputs("\" ;; esac ;;\n", f);
    }
    fputs("    esac ;;\n"
          "  esac\n"
          "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
          "}\n"
          "complete -o default -F _dscompress dscompress\n",
          f);
}

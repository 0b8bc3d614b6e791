/* Texts made from the tables: help, man pages, shell completion. */
#ifndef DSC_CLI_HELP_H
#define DSC_CLI_HELP_H

#include "cmd.h"

void dsc_help_overview(const struct dsc_term *t);
void dsc_help_command(const struct dsc_term *t, const struct dsc_command *c);
/** The page of a verb, or of the program when c is NULL, as troff. */
void dsc_man_page(FILE *f, const struct dsc_command *c);
void dsc_complete_bash(FILE *f);
/** "  -o, --output FILE" without indentation; returns the columns it takes. */
int dsc_opt_usage(char *out, size_t out_bytes, const struct dsc_opt_row *row);

#endif

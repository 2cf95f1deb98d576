using System.Text;

namespace Accelerated.Agent.Cli;

/// <summary>
/// Splits a variable that holds a part of a command line (<c>FLANNEL_OPTIONS="--ip-masq -iface='eth 0'"</c>) into words, as a shell does
/// and systemd for <c>$FLANNEL_OPTIONS</c>: at white space; quotes hold together and go away; a backslash keeps the next character as it
/// is, inside double quotes only before <c>" \ $ `</c>, inside single quotes never.
/// </summary>
internal static class CommandWords
{
    /// <summary>The words of <paramref name="line"/>.</summary>
    /// <exception cref="CommandLineException">A quote is not closed.</exception>
    public static IReadOnlyList<string> Split(string line)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        var (inWord, quote) = (false, '\0');
        for (var i = 0; i < line.Length; i++)
        {
            var c = line[i];
            if (c == '\\' && quote != '\'' && i + 1 < line.Length && (quote == '\0' || line[i + 1] is '"' or '\\' or '$' or '`'))
                (inWord, _) = (true, word.Append(line[++i]));
            else if (c == quote)
                quote = '\0';
            else if (quote == '\0' && (c is '"' or '\''))
                (inWord, quote) = (true, c);
            else if (quote == '\0' && char.IsWhiteSpace(c))
                Finish();
            else
                (inWord, _) = (true, word.Append(c));
        }

        if (quote != '\0')
            throw new CommandLineException($"a quote ({quote}) is not closed");
        Finish();
        return words;

        void Finish()
        {
            if (inWord)
                words.Add(word.ToString());
            word.Clear();
            inWord = false;
        }
    }
}

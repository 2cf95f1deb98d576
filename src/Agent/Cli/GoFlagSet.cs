using System.Globalization;
using System.Text.RegularExpressions;

namespace Accelerated.Agent.Cli;

/// <summary>
/// Parses a command line as Go's flag package does, because flannel's unit files and environment files are written for that:
/// one or two dashes, <c>-flag=value</c> or <c>-flag value</c>, booleans bare or <c>=1/=t/=true/=0/=f/=false</c>, parsing ends at
/// <c>--</c> or at the first word that is no flag, of a repeated flag the last wins. Differences: a word that is no flag is an error,
/// since flannel would silently ignore whatever follows it; an empty word is none (a unit's <c>${FLANNEL_ETCD}</c> that is not set), nor is
/// a variable of flannel's that nobody expanded: it is read from the environment.
/// </summary>
internal sealed partial class GoFlagSet
{
    private readonly SortedDictionary<string, GoFlag> _flags = new(StringComparer.Ordinal);
    private readonly List<string> _unexpanded = [];

    /// <summary>The flags, by name.</summary>
    public IReadOnlyCollection<GoFlag> Flags => _flags.Values;

    /// <summary>Arguments that were left out because they name a variable that nobody expanded, such as <c>$FLANNEL_OPTIONS</c>.</summary>
    public IReadOnlyList<string> Unexpanded => _unexpanded;

    /// <summary>Adds a flag.</summary>
    public GoFlag Add(GoFlag flag)
    {
        _flags.Add(flag.Name, flag);
        return flag;
    }

    /// <summary>Sets flags from arguments.</summary>
    /// <exception cref="CommandLineException">Names the argument at fault.</exception>
    public void Parse(IReadOnlyList<string> arguments) => Parse(arguments, (flag, value) => flag.Set(value, $"--{flag.Name}"));

    /// <summary>Sets flags that are not set yet from a variable that holds a part of a command line.</summary>
    /// <exception cref="CommandLineException">Begins with the variable.</exception>
    public void ParseLine(string variable, string line)
    {
        var decided = _flags.Values.Where(f => f.IsSet).Select(f => f.Name).ToHashSet(StringComparer.Ordinal);
        try
        {
            Parse(CommandWords.Split(line), (flag, value) =>
            {
                if (!decided.Contains(flag.Name))
                    flag.Set(value, $"--{flag.Name}", variable);
            });
        }
        catch (CommandLineException e)
        {
            throw e.Message.StartsWith(variable, StringComparison.Ordinal) ? e : new CommandLineException($"{variable}: {e.Message}", e);
        }
    }

    /// <summary>Sets flags that the command line did not from the environment: <c>PREFIX_FLAG_NAME</c>. Empty variables are ignored.</summary>
    /// <exception cref="CommandLineException">Names the variable at fault.</exception>
    public void ParseEnvironment(Func<string, string?> variable, string prefix)
    {
        foreach (var flag in _flags.Values)
        {
            var name = prefix + flag.Name.Replace('-', '_').ToUpperInvariant();
            if (!flag.IsSet && variable(name) is { Length: > 0 } value)
                flag.Set(value, name);
        }
    }

    private void Parse(IReadOnlyList<string> arguments, Action<GoFlag, string> set)
    {
        for (var i = 0; i < arguments.Count; i++)
        {
            var argument = arguments[i];
            if (argument.Length == 0)
                continue;
            if (UnexpandedVariable().IsMatch(argument))
            {
                _unexpanded.Add(argument);
                continue;
            }

            if (argument == "--")
            {
                if (i + 1 < arguments.Count)
                    throw Stray(arguments[i + 1]);
                return;
            }

            if (argument.Length < 2 || argument[0] != '-')
                throw Stray(argument);
            var body = argument.AsSpan(argument[1] == '-' ? 2 : 1);
            if (body.Length == 0 || body[0] is '-' or '=')
                throw new CommandLineException($"{argument} is not a flag: flags look like --iface=eth0");
            var equals = body.IndexOf('=');
            var name = (equals < 0 ? body : body[..equals]).ToString();
            if (!_flags.TryGetValue(name, out var flag))
                throw Unknown(name);
            string value;
            if (equals >= 0)
                value = body[(equals + 1)..].ToString();
            else if (flag.IsBoolean)
                value = "true";
            else if (++i < arguments.Count)
                value = arguments[i];
            else
                throw new CommandLineException($"--{name} needs a value: write --{name}={flag.Placeholder}");
            if (UnexpandedVariable().IsMatch(value))
                _unexpanded.Add($"--{name}={value}");
            else
                set(flag, value);
        }
    }

    private static CommandLineException Stray(string word) =>
        new($"\"{word}\" is not a flag: flags look like --iface=eth0 (a value with spaces needs quotes)");

    private CommandLineException Unknown(string name)
    {
        var near = _flags.Keys.Select(k => (Name: k, Distance: Distance(k, name))).Where(c => c.Distance <= 3).OrderBy(c => c.Distance).FirstOrDefault();
        return new CommandLineException(string.Create(CultureInfo.InvariantCulture,
            $"--{name} is not a flag of the agent{(near.Name is null ? "" : $": did you mean --{near.Name}?")} (accelerated agent --help lists them)"));
    }

    /// <summary>Edit distance (Levenshtein), for "did you mean".</summary>
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[b.Length];
    }

    // Flannel's own only: a dollar may well stand in a pattern.
    [GeneratedRegex(@"\A\$(?:FLANNELD?_[A-Z_]+|\{FLANNELD?_[A-Z_]+\})\z", RegexOptions.CultureInvariant)]
    private static partial Regex UnexpandedVariable();
}

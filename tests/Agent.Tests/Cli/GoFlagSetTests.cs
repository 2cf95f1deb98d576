using System.Diagnostics;
using Accelerated.Agent.Cli;

namespace Accelerated.Agent.Tests.Cli;

/// <summary>Go's flag package, rule by rule.</summary>
public sealed class GoFlagSetTests
{
    private const string IsNoFlag = "flags look like --iface=eth0 (a value with spaces needs quotes)";

    // Arguments between bars, what is set afterwards.
    public static TheoryData<string, string> Accepted => new()
    {
        { "", "" },
        { "-text=a", "text=a" },
        { "--text=a", "text=a" },
        { "-text|a", "text=a" },
        { "--text|a", "text=a" },
        { "--text=", "text=" },
        { "--text|", "text=" },
        { "--text=a=b", "text=a=b" },
        { "--text=-x", "text=-x" },
        { "--text|-yes", "text=-yes" }, // The next word is the value, whatever it looks like.
        { "--text|--", "text=--" },
        { "--text= a b ", "text= a b " },
        { "-yes", "yes=true" },
        { "--yes", "yes=true" },
        { "--yes=1", "yes=true" },
        { "--yes=t", "yes=true" },
        { "--yes=T", "yes=true" },
        { "--yes=true", "yes=true" },
        { "--yes=TRUE", "yes=true" },
        { "--yes=True", "yes=true" },
        { "--yes=0", "yes=false" },
        { "--yes=f", "yes=false" },
        { "--yes=F", "yes=false" },
        { "--yes=false", "yes=false" },
        { "--yes=FALSE", "yes=false" },
        { "--yes=False", "yes=false" },
        { "-yes|-number|4", "number=4 yes=true" }, // A boolean takes no value of its own.
        { "--number=-7", "number=-7" },
        { "--number|-7", "number=-7" },
        { "--text=a|--text=b|-text|c", "text=c" }, // The last wins.
        { "--yes|--yes=false", "yes=false" },
        { "--many=a|-many|b|--many=a", "many=a,b,a" },
        { "--yes|--", "yes=true" },
        { "--", "" },

        // What a unit makes of a variable that is not set, or leaves of one that it does not expand.
        { "|--yes||--text=a|", "text=a yes=true" },
        { "$FLANNEL_OPTIONS|--yes", "yes=true" },
        { "--yes|${FLANNEL_ETCD}|--text=a", "text=a yes=true" },
        { "--text=${FLANNEL_ETCD}|--yes", "yes=true" },
        { "--text|$FLANNELD_ETCD_PREFIX|--yes", "yes=true" },
        { "--text=$", "text=$" },
        { "--text=$HOME", "text=$HOME" },
        { "--many=eth$", "many=eth$" },
    };

    // A variable's text, the words between bars.
    public static TheoryData<string, string> Lines => new()
    {
        { "", "" },
        { " \t\n", "" },
        { "--yes -number=4", "--yes|-number=4" },
        { "  --yes\t-number 4\n", "--yes|-number|4" },
        { "--text=\"a b\" -x", "--text=a b|-x" },
        { "\"--text=a b\" '-x y'", "--text=a b|-x y" },
        { "--text='a \"b\"'", "--text=a \"b\"" },
        { "--text=\"it's\"", "--text=it's" },
        { "--text=''", "--text=" },
        { "'' \"\"", "|" },
        { "a\\ b", "a b" },
        { "--many=^10\\\\.1", "--many=^10\\.1" },
        { "--many='^10\\.1'", "--many=^10\\.1" },
        { "--many=\"^10\\.1 \\\" \\$\"", "--many=^10\\.1 \" $" },
        { "'a'\"b\"c", "abc" },
        { "a\\", "a\\" },
    };

    public static TheoryData<string, string> Refused => new()
    {
        { "word", $"\"word\" is not a flag: {IsNoFlag}" },
        { "--yes|false", $"\"false\" is not a flag: {IsNoFlag}" }, // flannel ignores whatever follows it.
        { "-", $"\"-\" is not a flag: {IsNoFlag}" },
        { "--|word", $"\"word\" is not a flag: {IsNoFlag}" },
        { "---text=a", "---text=a is not a flag: flags look like --iface=eth0" },
        { "--=a", "--=a is not a flag: flags look like --iface=eth0" },
        { "-=a", "-=a is not a flag: flags look like --iface=eth0" },
        { "--text", "--text needs a value: write --text=WORDS" },
        { "-number", "--number needs a value: write --number=4" },
        { "--many", "--many needs a value: write --many=eth0" },
        { "--yes=yes", "--yes=yes: expected true or false" },
        { "--yes=", "--yes=: expected true or false" },
        { "--yes=tRUE", "--yes=tRUE: expected true or false" },
        { "--number=four", "--number=four: expected a whole number" },
        { "--number=", "--number=: expected a whole number" },
        { "--number=1.5", "--number=1.5: expected a whole number" },
        { "--number=99999999999", "--number=99999999999: expected a whole number" },
        { "--number=four|--number=4", "--number=four: expected a whole number" }, // Each is looked at, not only the last.
        { "--txet=a", "--txet is not a flag of the agent: did you mean --text? (accelerated agent --help lists them)" },
        { "-Text=a", "--Text is not a flag of the agent: did you mean --text? (accelerated agent --help lists them)" },
        { "--nothing-like-it", "--nothing-like-it is not a flag of the agent (accelerated agent --help lists them)" },
    };

    [Theory]
    [MemberData(nameof(Accepted))]
    public void Parse_OfWhatGoAccepts_SetsTheSame(string arguments, string expected)
    {
        var set = NewSet();
        set.Parse(Split(arguments));
        Assert.Equal(expected, InWords(set));
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void Parse_OfAnythingElse_NamesTheArgument(string arguments, string expected) =>
        Assert.Equal(expected, Assert.Throws<CommandLineException>(() => NewSet().Parse(Split(arguments))).Message);

    [Fact]
    public void ParseEnvironment_OfVariables_SetsWhatTheCommandLineDidNot()
    {
        var set = NewSet();
        set.Parse(["--text=line", "--yes=false"]);
        set.ParseEnvironment(Variables(("P_TEXT", "environment"), ("P_YES", "true"), ("P_NUMBER", "9"), ("P_TWO_WORDS", "x"), ("P_MANY", "a,b")), "P_");

        Assert.Equal("many=a,b number=9 text=line two-words=x yes=false", InWords(set));
        Assert.Equal(["P_MANY", "P_NUMBER", "--text", "P_TWO_WORDS", "--yes"], set.Flags.Select(f => f.Origin));
    }

    [Fact]
    public void ParseEnvironment_OfAnEmptyVariable_IgnoresIt()
    {
        var set = NewSet();
        set.ParseEnvironment(Variables(("P_TEXT", ""), ("P_YES", ""), ("P_NUMBER", "")), "P_");

        Assert.Equal("", InWords(set));
    }

    [Theory]
    [InlineData("P_YES", "maybe", "P_YES=maybe: expected true or false")]
    [InlineData("P_NUMBER", "many", "P_NUMBER=many: expected a whole number")]
    public void ParseEnvironment_OfABadValue_NamesTheVariable(string name, string value, string expected) =>
        Assert.Equal(expected, Assert.Throws<CommandLineException>(() => NewSet().ParseEnvironment(Variables((name, value)), "P_")).Message);

    [Theory]
    [MemberData(nameof(Lines))]
    public void Split_OfALine_IsAsAShellDoesIt(string line, string expected)
    {
        Assert.Equal(expected, string.Join('|', CommandWords.Split(line)));

        // The shell itself, as the reference (it would take a trailing backslash for a line that goes on).
        if (!line.EndsWith('\\') && !line.Contains('\n'))
        {
            using var shell = Process.Start(new ProcessStartInfo("sh", ["-c", $"for w in {line}; do printf '|%s' \"$w\"; done"]) { RedirectStandardOutput = true })!;
            Assert.Equal(CommandWords.Split(line).Count == 0 ? "" : "|" + expected, shell.StandardOutput.ReadToEnd());
        }
    }

    [Theory]
    [InlineData("--text='a", "P: a quote (') is not closed")]
    [InlineData("--text=\"a'", "P: a quote (\") is not closed")]
    [InlineData("--txet=a", "P: --txet is not a flag of the agent: did you mean --text? (accelerated agent --help lists them)")]
    [InlineData("--number=four", "P: --number=four: expected a whole number")]
    [InlineData("--number", "P: --number needs a value: write --number=4")]
    [InlineData("word", $"P: \"word\" is not a flag: {IsNoFlag}")]
    public void ParseLine_OfSomethingWrong_NamesTheVariable(string line, string expected) =>
        Assert.Equal(expected, Assert.Throws<CommandLineException>(() => NewSet().ParseLine("P", line)).Message);

    [Fact]
    public void ParseLine_OfFlagsThatAreSet_LeavesThemAlone()
    {
        var set = NewSet();
        set.Parse(["--text=line", "--many=a"]);
        set.ParseLine("P", "--text=variable --many=b --many=c --number=3 -number 4 --two-words='x y'");

        Assert.Equal("many=a number=4 text=line two-words=x y", InWords(set));
        Assert.Equal(["--many", "P: --number", "--text", "P: --two-words", "--yes"], set.Flags.Select(f => f.Origin));
    }

    [Fact]
    public void Parse_OfAnyWords_ThrowsNothingElse() => Rounds.Run(20_000, random =>
    {
        var words = new string[random.Next(6)];
        for (var i = 0; i < words.Length; i++)
            words[i] = string.Concat(Enumerable.Range(0, random.Next(4)).Select(_ => random.Pick(["-", "--", "=", "text", "yes", "number", "4", "t", " ", "ä", "\0"])));
        try
        {
            NewSet().Parse(words);
        }
        catch (CommandLineException e)
        {
            Assert.NotEmpty(e.Message);
        }
    });

    private static GoFlagSet NewSet()
    {
        var set = new GoFlagSet();
        set.Add(new GoFlag("text", GoFlagKind.Text, "none", "WORDS", "text"));
        set.Add(new GoFlag("two-words", GoFlagKind.Text, "", "WORDS", "text"));
        set.Add(new GoFlag("yes", GoFlagKind.Boolean, "false", "true", "boolean"));
        set.Add(new GoFlag("number", GoFlagKind.Number, "0", "4", "number"));
        set.Add(new GoFlag("many", GoFlagKind.Repeatable, "", "eth0", "repeatable"));
        return set;
    }

    private static string[] Split(string arguments) => arguments.Length == 0 ? [] : arguments.Split('|');

    private static Func<string, string?> Variables(params (string Name, string Value)[] variables) =>
        name => variables.FirstOrDefault(v => v.Name == name).Value;

    private static string InWords(GoFlagSet set) => string.Join(' ', set.Flags.Where(f => f.IsSet).Select(f =>
        $"{f.Name}={(f.Kind == GoFlagKind.Repeatable ? string.Join(',', f.Values) : f.IsBoolean ? (f.IsTrue ? "true" : "false") : f.Value)}"));
}

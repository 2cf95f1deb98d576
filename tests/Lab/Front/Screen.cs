namespace Accelerated.Lab.Front;

/// <summary>What the console front writes for a person. Colours only on a terminal, and not if <c>NO_COLOR</c> is set.</summary>
internal sealed class Screen(TextWriter output)
{
    private const string Bold = "1", Dim = "2", Red = "31", Green = "32";

    private readonly bool _colours = !Console.IsOutputRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));

    /// <summary>Starts a section.</summary>
    public void Title(string text)
    {
        output.WriteLine();
        output.WriteLine(Colour(Bold, $"── {text} {new string('─', Math.Max(0, 74 - text.Length))}"));
    }

    /// <summary>A line as it is.</summary>
    public void Line(string text = "") => output.WriteLine(text);

    /// <summary>Many lines, indented; says so if there are none.</summary>
    public void Block(string text)
    {
        if (string.IsNullOrWhiteSpace(text))
            text = "(nothing)";
        foreach (var line in text.TrimEnd().Split('\n'))
            output.WriteLine($"  {line}".TrimEnd());
    }

    /// <summary>The command whose output follows.</summary>
    public void Command(string text) => output.WriteLine(Colour(Dim, $"$ {text}"));

    /// <summary>Something that was proved.</summary>
    public void Good(string text) => output.WriteLine($"{Colour(Green, "✓")} {text}");

    /// <summary>What went wrong, to standard error.</summary>
    public void Bad(string text)
    {
        output.Flush();
        Console.Error.WriteLine($"{Colour(Red, "✗")} {text}");
    }

    private string Colour(string code, string text) => _colours ? $"\e[{code}m{text}\e[0m" : text;
}

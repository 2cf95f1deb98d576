using System.Net.Sockets;
using System.Text;

namespace Accelerated.Interop.Tests;

/// <summary>Another program is run to its end as its caller says; a unix socket is asked in bounded time.</summary>
public sealed class ChildProgramTests
{
    private const string Shell = "/bin/sh";

    [Fact]
    public void Program_GetsItsInput_AndItsOutputsAreKeptApart()
    {
        var input = Encoding.UTF8.GetBytes(new string('x', 1 << 20));

        var result = ChildProgram.Run("/bin/cat", input);

        Assert.Equal((0, null, input.Length, 0), (result.ExitCode, result.Signal, result.Output.Length, result.Errors.Length));
        var both = ChildProgram.Run(Shell, "echo out; echo err >&2; exit 7"u8);
        Assert.Equal((7, "out\n", "err\n"), (both.ExitCode, Encoding.UTF8.GetString(both.Output), Encoding.UTF8.GetString(both.Errors)));
    }

    [Fact]
    public void Program_EndedByASignal_HasNoExitCode()
    {
        var result = ChildProgram.Run(Shell, "kill -9 $$"u8);

        Assert.Equal((null, 9), (result.ExitCode, result.Signal));
    }

    [Fact]
    public void Program_HasTheEnvironmentOfThisProcess_ButForWhatIsSaid()
    {
        var result = ChildProgram.Run("/usr/bin/env", default, ("PATH", "/nowhere"), ("ADDED", "a=b c"));

        var variables = Encoding.UTF8.GetString(result.Output).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["PATH=/nowhere"], variables.Where(v => v.StartsWith("PATH=", StringComparison.Ordinal)));
        Assert.Contains("ADDED=a=b c", variables);
        var own = Encoding.UTF8.GetString(File.ReadAllBytes("/proc/self/environ")).Split('\0', StringSplitOptions.RemoveEmptyEntries);
        Assert.Superset(own.Where(v => !v.StartsWith("PATH=", StringComparison.Ordinal) && !v.Contains('\n', StringComparison.Ordinal)).ToHashSet(), variables.ToHashSet());
    }

    [Fact]
    public void Program_ThatIsNotThere_IsRefusedWithItsName()
    {
        var e = Assert.Throws<NativeException>(() => ChildProgram.Run("/nowhere/bridge", default));

        Assert.StartsWith("start /nowhere/bridge: ", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Question_ToASocket_IsAnsweredOrEndsInTime()
    {
        var folder = Directory.CreateTempSubdirectory("ask-").FullName;
        try
        {
            var path = Path.Combine(folder, "s");
            Assert.Null(LocalExchange.Ask(path, "q\n"u8, TimeSpan.FromSeconds(5)));
            Assert.Null(LocalExchange.Ask(new string('x', 200), "q\n"u8, TimeSpan.FromSeconds(5)));
            using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            listener.Bind(new UnixDomainSocketEndPoint(path));
            listener.Listen();

            // Nobody accepts.
            Assert.Null(LocalExchange.Ask(path, "q\n"u8, TimeSpan.FromMilliseconds(50)));

            using (await listener.AcceptAsync(TestContext.Current.CancellationToken))
            {
                // The one that has given up.
            }

            var asking = Task.Run(() => LocalExchange.Ask(path, "q\n"u8, TimeSpan.FromSeconds(5)), TestContext.Current.CancellationToken);
            using var client = await listener.AcceptAsync(TestContext.Current.CancellationToken);
            var question = new byte[8];
            Assert.Equal("q\n", Encoding.UTF8.GetString(question, 0, await client.ReceiveAsync(question, TestContext.Current.CancellationToken)));
            await client.SendAsync("ans"u8.ToArray(), TestContext.Current.CancellationToken);
            await client.SendAsync("wer\nmore"u8.ToArray(), TestContext.Current.CancellationToken);
            Assert.Equal("answer", await asking);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
